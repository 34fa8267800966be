"""What is read as a plain message is what h11 reads; what is written, h11 reads back."""

from collections.abc import Iterable
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.runtime import http_plain

names = st.sampled_from(
    ["accept", "Content-Type", "x-user-id", "X-Deadline-Ms", "traceparent", "connection", "expect", "x_y!"]
)
values = st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
bodies = st.binary(max_size=40)
#: What an attacker would put between, before or into the parts of a message.
spoilers = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"\r\n ",
        b"\xff",
        b"Content-Length: 3\r\n",
        b"GET / HTTP/1.1",
    ]
)


def message(first: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{first}\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def read_by_h11(data: bytes, role: Any) -> tuple[Any, dict[str, str], bytes] | None:
    """The first message, when it is whole and nothing is left over."""
    connection, head, body = h11.Connection(role), None, b""
    if role is h11.CLIENT:
        connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            assert connection.trailing_data[0] == b""
            assert not connection.they_are_waiting_for_100_continue
            return head, {name.decode(): value.decode("latin-1") for name, value in head.headers}, body
        else:
            return None


@given(st.lists(st.tuples(names, values), max_size=4), bodies, st.data())
def test_a_request_is_read_as_h11_reads_it(
    headers: list[tuple[str, str]], body: bytes, data: st.DataObject
) -> None:
    raw = message("POST /v1/chat?a=b HTTP/1.1", [("Host", "x"), *headers], body)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(raw)))
        raw = raw[:at] + data.draw(spoilers) + raw[at + data.draw(st.integers(0, 3)) :]
    found = http_plain.read_request(raw)
    if found is None:
        return
    by_h11 = read_by_h11(raw, h11.SERVER)
    assert by_h11 is not None
    head, read, content = by_h11
    assert (found.method, found.target) == (head.method.decode(), head.target.decode())
    assert (found.headers, found.body) == (read, content)


@given(st.lists(st.tuples(names, values), max_size=4), bodies, st.data())
def test_an_answer_is_read_as_h11_reads_it(
    headers: list[tuple[str, str]], body: bytes, data: st.DataObject
) -> None:
    raw = message("HTTP/1.1 200 OK", headers, body)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(raw)))
        raw = raw[:at] + data.draw(spoilers) + raw[at + data.draw(st.integers(0, 3)) :]
    found = http_plain.read_head(raw)
    if found is None or len(raw) != found.start + found.length:
        return
    by_h11 = read_by_h11(raw, h11.CLIENT)
    assert by_h11 is not None
    head, read, content = by_h11
    assert (found.status, found.headers, raw[found.start :]) == (head.status_code, read, content)


@given(values, bodies)
def test_what_is_written_is_read_back(value: str, body: bytes) -> None:
    fields = [("host", "x"), ("x-user-id", value), ("content-length", str(len(body)))]
    request = http_plain.write_request("POST", "/v1/chat", fields, body)
    answer = http_plain.write_answer(200, {"x-user-id": value}, body)
    assert request is not None
    assert answer is not None
    read, head = http_plain.read_request(request), http_plain.read_head(answer)
    assert read is not None
    assert (read.method, read.target, read.body) == ("POST", "/v1/chat", body)
    assert read.headers["x-user-id"] == value.strip(" \t")
    assert head is not None
    assert answer[head.start :] == body
    assert read_by_h11(request, h11.SERVER) is not None
    assert read_by_h11(answer, h11.CLIENT) is not None


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\0", "é"])
def test_a_header_never_becomes_two(value: str) -> None:
    assert http_plain.write_request("GET", "/", [("host", "x"), ("a", value)], b"") is None
    assert http_plain.write_answer(200, {"a": value}, b"") is None
    assert http_plain.write_request("GET", "/" + value, [("host", "x")], b"") is None
    assert http_plain.write_answer(200, {value: "a"}, b"") is None


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", id="the connection's end"),
        pytest.param(b"GET / HTTP/1.0\r\nhost: x\r\n\r\n", id="the older protocol"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", id="two hosts"),
        pytest.param(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nab", id="not whole"),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nab", id="another one behind it"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", id="in pieces"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 20_000 + b"\r\n\r\n", id="a long head"),
    ],
)
def test_what_is_not_plain_is_left_to_h11(raw: bytes) -> None:
    assert http_plain.read_request(raw) is None
