"""Makes a decision again from its record: `python3 -m alluse_operator.replay FILE`.

The planner is pure, so what it was given is enough. A record comes from the operator's journal (for which
`kubectl allusesystem journal` and `replay` are the short way):

    kubectl -n alluse-system port-forward POD 8081 &
    curl -s 127.0.0.1:8081/journal?system=trading/main     the latest decisions, newest first
    curl -s 127.0.0.1:8081/journal/17 > decision.json      one of them, with all that it stands on
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from alluse_operator.api.errors import InvalidSpec
from alluse_operator.core import outline
from alluse_operator.core.desired import Defaults
from alluse_operator.core.journal import FORMAT
from alluse_operator.core.observation import decode, decode_time
from alluse_operator.core.plan import Plan
from alluse_operator.core.planner import make_plan
from alluse_operator.core.resolve import resolve
from alluse_operator.resources.build import build_all
from alluse_operator.version import operator_version

#: Nobody asks what would be so much later: then much else would have changed.
MOST_LATER = timedelta(days=365)


class UnreadableRecordError(ValueError):
    """The file holds no record of a decision."""


def replay(record: Mapping[str, Any], later: timedelta = timedelta(0)) -> Plan:
    """The plan that this operator makes of what was given, on a clock that shows the time of the record, or
    so much more. Raises UnreadableRecordError.
    """
    try:
        if record["format"] != FORMAT:
            raise UnreadableRecordError(f"records of format {record['format']} are not known here")
        given = decode(record["inputs"])
        now = decode_time(record["time"]) + later
        defaults = Defaults(
            component_image=record["defaults"]["componentImage"],
            version=record["defaults"]["version"],
            operator_namespace=record["defaults"]["operatorNamespace"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableRecordError(f"it is not a record of a decision: {error!r}") from error
    snapshot = given.read()
    try:
        system = resolve(snapshot.resource.identity, snapshot.resource.spec, defaults)
    except InvalidSpec as error:
        return make_plan(error, {}, snapshot, now)
    return make_plan(system, build_all(system), snapshot, now)


def read(file: str) -> Any:
    """A record from a file, or from standard input (-). Raises UnreadableRecordError."""
    try:
        return json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableRecordError(f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UnreadableRecordError(f"it is not JSON: {error}") from error


def say(record: Mapping[str, Any], later: timedelta | None) -> tuple[bool, list[str]]:
    """Whether the decision is the same (or another time is asked for), and the lines that say so.

    Raises UnreadableRecordError.
    """
    plan = replay(record, later or timedelta(0))
    if later is not None:
        moment = decode_time(record["time"]) + later
        return True, [json.dumps(outline.outline(plan, moment), indent=2)]
    try:
        return _compare(record, plan)
    except KeyError as error:
        raise UnreadableRecordError(f"it is not a record of a decision: {error} is missing") from error


def seconds(text: str) -> timedelta:
    """Raises ValueError for what is no time that can have passed."""
    try:
        passed = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        passed = timedelta(-1)
    if not timedelta(0) <= passed <= MOST_LATER:
        raise ValueError(f"{text!r} is not a number of seconds from 0 to {MOST_LATER.total_seconds():.0f}")
    return passed


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the same decision; 1: another one; 2: the record cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python3 -m alluse_operator.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a record of the journal; -: standard input")
    parser.add_argument(
        "--later",
        metavar="SECONDS",
        help="show in outline what would be decided so much later, if nothing had changed but the time",
    )
    chosen = parser.parse_args(arguments)
    try:
        later = seconds(chosen.later) if chosen.later is not None else None
        same, lines = say(read(chosen.file), later)
    except ValueError as error:
        print(f"{chosen.file}: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0 if same else 1


def _compare(record: Mapping[str, Any], plan: Plan) -> tuple[bool, list[str]]:
    described = outline.describe(plan)
    found = outline.digest(described)
    if found == record["digest"]:
        return True, [f"Same: {found}, decided {record['time']} for {record['system']}"]
    lines = [f"Different: {found} now, {record['digest']} then ({record['time']}, {record['system']})"]
    if record["version"] != operator_version():
        lines.append(f"The record is of operator {record['version']}, this is {operator_version()}.")
    return False, [*lines, *_difference(record["plan"], described)]


def _difference(then: Any, now: Any) -> list[str]:
    before, after = (json.dumps(document, indent=1, sort_keys=True).splitlines() for document in (then, now))
    return list(difflib.unified_diff(before, after, "then", "now", lineterm="", n=2))


if __name__ == "__main__":
    sys.exit(main())
