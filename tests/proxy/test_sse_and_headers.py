"""Events and headers as bytes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.headers import RequestIds, is_json, json_head, request_head
from proxy.gateway.sse import comment, split_error, split_events

EVENT = st.text("ab: {}\r", max_size=10).map(lambda text: f"data: {text}\n\n".encode())


@given(st.text(max_size=200))
def test_a_comment_is_one_line_whatever_it_says(text: str) -> None:
    data = comment(text)
    assert data.startswith(b": ")
    assert data.endswith(b"\n\n")
    assert not re.search(rb"[\r\n]", data[:-2])


@given(st.lists(EVENT, max_size=6), st.integers(0, 200))
def test_events_cut_anywhere_come_out_whole_and_in_order(events: list[bytes], cut: int) -> None:
    stream = b"".join(events)
    first, rest = split_events(stream[:cut])
    second, left = split_events(rest + stream[cut:])
    assert first + second + left == stream
    assert not first or first.endswith(b"\n\n")
    assert left == b""


@given(st.binary(max_size=100))
def test_nothing_is_lost_and_no_half_event_passes(data: bytes) -> None:
    events, rest = split_events(data)
    assert events + rest == data
    assert not events or events.endswith((b"\n\n", b"\r\n\r\n"))
    assert b"\n\n" not in rest


def test_an_error_event_is_told_from_what_came_before() -> None:
    token = b'data: {"a": 1}\n\n'
    error = b'{"error": {"message": "x"}}'
    assert split_error(token) == (token, None)
    assert split_error(token + b"data: " + error + b"\n\ndata: [DONE]\n\n") == (token, error)
    assert split_error(b"data:" + error + b"\n\n") == (b"", error)
    text = b'data: {"choices": [{"delta": {"content": "{\\"error\\""}}]}\n\n'
    assert split_error(text) == (text, None)
    nested = b'data: {"choices": [{"error": 1}]}\n\n'
    assert split_error(nested) == (nested, None)


@given(st.binary(max_size=200))
def test_an_offered_id_is_used_only_if_it_is_sane(offered: bytes) -> None:
    chosen = RequestIds().choose(offered)
    assert re.fullmatch(rb"[A-Za-z0-9][\w.:-]{0,127}", chosen, re.ASCII)
    assert chosen == offered or chosen.startswith(b"req-")


def test_made_ids_differ_between_requests_and_between_processes() -> None:
    here, there = RequestIds(), RequestIds()
    assert len({here.choose(None), here.choose(None), there.choose(None), there.choose(None)}) == 4


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nx: y", b"/a\x00"])
def test_a_target_that_could_end_its_line_is_refused(target: bytes) -> None:
    with pytest.raises(ValueError, match="request target"):
        request_head(b"GET", target, b"host", {})


def test_the_heads_are_http() -> None:
    assert request_head(b"GET", b"/x", b"h:1", {b"a": b"b"}) == b"GET /x HTTP/1.1\r\nhost: h:1\r\na: b\r\n\r\n"
    assert json_head(b"/x", b"h:1", 5, b"id").endswith(b"content-length: 5\r\nx-request-id: id\r\n\r\n")


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=UTF-8", True),
        (b'application/json;charset="utf-8"', True),
        (b"application/json; charset=utf-16", False),
        (b"application/jsonp", False),
        (b"text/plain", False),
        (b"", False),
        (None, False),
    ],
)
def test_a_media_type_is_json_in_utf8_or_not(value: bytes | None, good: bool) -> None:
    assert is_json(value) is good
