"""The records: taken in, cleaned, counted, written, found again."""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from alluse.runtime.logs import LEVELS
from alluse.runtime.masking import mask_record
from alluse.schemas.logs import ComponentLogStats, LogQuery, LogsFound, LogStats
from alluse.services.production_logger.files import RotatingFile, newest_first, search

#: Records kept in memory where the configuration wants no files.
RECENT: Final = 2000
MAX_TEXT: Final = 8192
MAX_RECORD: Final = 32_768
SEARCH_S: Final = 2.0
WINDOW_S: Final = 60.0
#: More senders than there are components would only fill the memory.
MAX_COMPONENTS: Final = 64


@dataclass(frozen=True, slots=True)
class Burst:
    """Many errors of one component in a short time."""

    component: str
    count: int
    window_s: float
    sample: str


class Taken(NamedTuple):
    """What became of a batch."""

    accepted: int
    rejected: int
    components: frozenset[str]
    bursts: list[Burst]


class Archive:
    """Everything under one lock, because batches are worked on in threads."""

    def __init__(self, directory: Path, burst_at: int) -> None:
        self.directory = directory
        self._burst_at = burst_at
        self._lock = threading.Lock()
        self._all = RotatingFile(directory / "alluse.log", 10 << 20, 5)
        self._errors = RotatingFile(directory / "errors.log", 5 << 20, 3)
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._to_files = True
        self._sanitize = True
        self._received = self._rejected = self._failures = 0
        self._failed_at = -WINDOW_S
        self._by_level = dict.fromkeys(LEVELS, 0)
        self._by_component: dict[str, list[int]] = {}
        self._seconds: deque[tuple[int, int]] = deque(maxlen=int(WINDOW_S))
        self._error_times: dict[str, deque[float]] = {}
        self._burst_told: dict[str, float] = {}

    def configure(
        self, to_files: bool, sanitize: bool, all_bounds: tuple[int, int], error_bounds: tuple[int, int]
    ) -> None:
        """Follow the configuration; bounds are (bytes, backups)."""
        with self._lock:
            self._to_files, self._sanitize = to_files, sanitize
            self._all.configure(*all_bounds)
            self._errors.configure(*error_bounds)

    def take_lines(self, body: bytes) -> Taken:
        """Take NDJSON: one record a line; a line that is no record is rejected, the others are kept."""
        records: list[dict[str, Any]] = []
        rejected = 0
        for line in body.splitlines():
            if not line.strip():
                continue
            record = _parsed(line)
            if record is None:
                rejected += 1
            else:
                records.append(record)
        return self.take(records, rejected)

    def take(self, records: list[dict[str, Any]], rejected: int = 0) -> Taken:
        """Clean, count and write records that have the required fields."""
        with self._lock:
            lines = []
            error_lines = []
            for record in records:
                line = self._cleaned(record)
                lines.append(line)
                if LEVELS[record["level"]] >= LEVELS["ERROR"]:
                    error_lines.append(line)
            self._count(records, rejected)
            if not self._to_files:
                self._recent.extend(lines)
            else:
                try:
                    self._all.write(lines)
                    self._errors.write(error_lines)
                except OSError:
                    self._failures += len(lines)
                    self._failed_at = time.monotonic()
            components = frozenset(record["component"] for record in records)
            return Taken(len(records), rejected, components, self._bursts(records))

    def find(self, query: LogQuery) -> LogsFound:
        """Search the files, or the memory where there are none."""
        hints = [json.dumps(query.component).encode()] if query.component else []
        if query.trace_id:
            hints.append(query.trace_id.encode())
        with ExitStack() as stack:
            lines: Iterable[bytes]
            with self._lock:
                if self._to_files:
                    # Opened together: a rotation during the search cannot show a record twice.
                    files = [stack.enter_context(path.open("rb")) for path in self._all.files()]
                    sizes = [os.fstat(file.fileno()).st_size for file in files]
                    lines = chain.from_iterable(map(newest_first, files, sizes))
                else:
                    lines = list(reversed(self._recent))
            found, complete = search(
                lines, lambda record: _matches(query, record), hints, query.limit, SEARCH_S
            )
        return LogsFound(records=found, complete=complete)

    def stats(self) -> LogStats:
        with self._lock:
            now = int(time.monotonic())
            recent = sum(count for second, count in self._seconds if second > now - WINDOW_S)
            return LogStats(
                received=self._received,
                rejected=self._rejected,
                write_failures=self._failures,
                by_level=dict(self._by_level),
                by_component={
                    name: ComponentLogStats(records=counts[0], errors=counts[1])
                    for name, counts in sorted(self._by_component.items())
                },
                per_second_60s=round(recent / WINDOW_S, 3),
                bytes_on_disk=self._all.bytes_on_disk() + self._errors.bytes_on_disk(),
                bytes_cap=self._all.cap() + self._errors.cap(),
                disk_used_ratio=round(self.disk_used(), 4),
            )

    def disk_used(self) -> float:
        """Used share of the file system that holds the files. Raises OSError."""
        stat = os.statvfs(self.directory)
        return 1 - stat.f_bavail / stat.f_blocks if stat.f_blocks else 0.0

    def failing(self) -> bool:
        """Whether a record could not be written in the last minute."""
        return time.monotonic() - self._failed_at < WINDOW_S

    def close(self) -> None:
        with self._lock:
            self._all.close()
            self._errors.close()

    def _cleaned(self, record: dict[str, Any]) -> bytes:
        clean = mask_record(record) if self._sanitize else record
        line = json.dumps(clean, default=str).encode()
        if len(line) <= MAX_RECORD:
            return line
        short = {
            key: clean[key]
            for key in ("timestamp", "level", "component", "message", "trace_id")
            if key in clean
        }
        short["message"] = str(short["message"])[:MAX_TEXT]
        return json.dumps({**short, "truncated": True}, default=str).encode()

    def _count(self, records: list[dict[str, Any]], rejected: int) -> None:
        self._received += len(records)
        self._rejected += rejected
        for record in records:
            self._by_level[record["level"]] += 1
            name = record["component"]
            if name not in self._by_component and len(self._by_component) >= MAX_COMPONENTS:
                name = "other"
            counts = self._by_component.setdefault(name, [0, 0])
            counts[0] += 1
            counts[1] += LEVELS[record["level"]] >= LEVELS["ERROR"]
        second = int(time.monotonic())
        if self._seconds and self._seconds[-1][0] == second:
            second, count = self._seconds.pop()
            self._seconds.append((second, count + len(records)))
        else:
            self._seconds.append((second, len(records)))

    def _bursts(self, records: list[dict[str, Any]]) -> list[Burst]:
        now = time.monotonic()
        bursts = []
        for record in records:
            name = record["component"]
            if LEVELS[record["level"]] < LEVELS["ERROR"] or name not in self._by_component:
                continue
            times = self._error_times.setdefault(name, deque(maxlen=10 * self._burst_at))
            times.append(now)
            while times[0] < now - WINDOW_S:
                times.popleft()
            if len(times) >= self._burst_at and now - self._burst_told.get(name, -WINDOW_S) >= WINDOW_S:
                self._burst_told[name] = now
                bursts.append(Burst(name, len(times), WINDOW_S, str(record["message"])[:500]))
        return bursts


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None when it lacks what every record has."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    for field in ("timestamp", "level", "component", "message"):
        if not isinstance(record.get(field), str):
            return None
    if record["level"] not in LEVELS or not record["component"] or _moment(record["timestamp"]) is None:
        return None
    return record


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _matches(query: LogQuery, record: dict[str, Any]) -> bool:
    moment = _moment(str(record.get("timestamp", "")))
    if moment is None:
        return False
    if query.until is not None and moment >= query.until:
        return False
    if query.since is not None and moment < query.since:
        return False
    if query.component is not None and record.get("component") != query.component:
        return False
    if query.level is not None and LEVELS.get(str(record.get("level")), 0) < LEVELS[query.level]:
        return False
    if query.trace_id is not None and record.get("trace_id") != query.trace_id:
        return False
    return query.q is None or query.q.lower() in json.dumps(record, ensure_ascii=False, default=str).lower()
