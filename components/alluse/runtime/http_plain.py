"""The plain HTTP/1.1 message: written and read in one go, for components that talk to each other all day.

h11 reads every message that HTTP allows, one event at a time; that was a third of what a turn with the agent
cost. Nearly all messages are plain: ASCII headers, a length or no body, nothing about the connection. Those
are read here; the readers answer None for any other, also for one that is not whole or not well-formed, and
then h11 has it as if nobody had looked: what is refused, it refuses. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

#: As much of a head as h11 takes, with room to spare.
MAX_HEAD: Final = 15_000
_FIELD: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n"
_REQUEST: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.1\r\n((?:" + _FIELD + rb")*)\r\n")
_ANSWER: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d) [\t -~]*\r\n((?:" + _FIELD + rb")*)\r\n")
#: Who sends one of these wants more of the connection than a message there and one back.
_NOT_PLAIN: Final = frozenset({"connection", "transfer-encoding", "upgrade", "expect", "te", "trailer"})
_UNSAFE: Final = re.compile(r"[^\t -~]")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH: Final = re.compile(r"\d{1,9}")


class PlainRequest(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class PlainHead(NamedTuple):
    """The head of an answer; its body begins at `start` and has `length` bytes."""

    status: int
    headers: dict[str, str]
    start: int
    length: int


def read_request(data: bytes) -> PlainRequest | None:
    """The request that `data` is, whole and alone."""
    found = _REQUEST.match(data, 0, MAX_HEAD)
    headers = None if found is None else _headers(found[3])
    if found is None or headers is None or "host" not in headers:
        return None
    length = _length(headers.get("content-length", "0"))
    if length is None or len(data) != found.end() + length:
        return None
    return PlainRequest(found[1].decode(), found[2].decode(), headers, data[found.end() :])


def read_head(data: bytes) -> PlainHead | None:
    """The head of the answer that begins `data`, if the answer says how long it is."""
    found = _ANSWER.match(data, 0, MAX_HEAD)
    headers = None if found is None else _headers(found[2])
    if found is None or headers is None or (status := int(found[1])) in (204, 304):
        return None
    length = _length(headers.get("content-length", ""))
    return None if length is None else PlainHead(status, headers, found.end(), length)


def _headers(block: bytes) -> dict[str, str] | None:
    """Fields by name in lower case; None where one stands twice or says that the message is not plain."""
    headers: dict[str, str] = {}
    for line in block.decode("ascii").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        name = name.lower()
        if name in headers or name in _NOT_PLAIN:
            return None
        headers[name] = value.strip(" \t")
    return headers


def _length(text: str) -> int | None:
    return int(text) if _LENGTH.fullmatch(text) else None


def write_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes | None:
    """The bytes of a request; None where something in it would not be one line of a head."""
    if not method.isalpha() or _UNSAFE.search(target) or " " in target or "\t" in target:
        return None
    return _written(f"{method} {target} HTTP/1.1\r\n", headers, body)


def write_answer(status: int, headers: Mapping[str, str], body: bytes, head: bool = False) -> bytes | None:
    """The bytes of an answer; None where a header would not be one line.

    To HEAD the length is told and the body left out; a 204 has neither.
    """
    fields = [(name, value) for name, value in headers.items() if name != "content-length"]
    if status != 204:
        fields.append(("content-length", str(len(body))))
    return _written(f"HTTP/1.1 {status} \r\n", fields, b"" if head or status == 204 else body)


def _written(first: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes | None:
    lines = [first]
    for name, value in headers:
        if _UNSAFE.search(value) or not _NAME.fullmatch(name):
            return None
        lines.append(f"{name}: {value}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("ascii") + body
