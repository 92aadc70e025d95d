"""Events and headers as bytes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.headers import RequestIds, boundary_of, engine_head, is_form, is_json, request_head
from proxy.gateway.sse import EventSplitter, comment, split_error

EVENT = st.text("ab: {}\r", max_size=10).map(lambda text: f"data: {text}\n\n".encode())


@given(st.text(max_size=200))
def test_a_comment_is_one_line_whatever_it_says(text: str) -> None:
    data = comment(text)
    assert data.startswith(b": ")
    assert data.endswith(b"\n\n")
    assert not re.search(rb"[\r\n]", data[:-2])


@given(st.lists(EVENT, max_size=6), st.lists(st.integers(1, 9), max_size=40))
def test_events_cut_anywhere_come_out_whole_and_in_order(events: list[bytes], sizes: list[int]) -> None:
    stream = left = b"".join(events)
    splitter, passed = EventSplitter(), b""
    for size in [*sizes, len(stream)]:
        out = splitter.feed(left[:size])
        left = left[size:]
        assert not out or out.endswith(b"\n\n")
        passed += out
        assert passed + splitter.rest() + left == stream
        assert splitter.size == len(splitter.rest())
    assert passed == stream


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\r\n\r", b"\n", b"\r", b"a\n"]), max_size=12))
def test_nothing_is_lost_and_no_half_event_passes(pieces: list[bytes]) -> None:
    splitter = EventSplitter()
    events = [splitter.feed(piece) for piece in pieces]
    assert b"".join(events) + splitter.rest() == b"".join(pieces)
    assert all(not each or each.endswith((b"\n\n", b"\r\n\r\n")) for each in events)
    assert b"\n\n" not in splitter.rest()
    assert b"\r\n\r\n" not in splitter.rest()


def test_an_error_event_is_told_from_what_came_before() -> None:
    token = b'data: {"a": 1}\n\n'
    error = b'{"error": {"message": "x"}}'
    assert split_error(token) == (token, None)
    assert split_error(token + b"data: " + error + b"\n\ndata: [DONE]\n\n") == (token, error)
    assert split_error(b"data:" + error + b"\n\n") == (b"", error)
    assert split_error(token + b"event: error\ndata: " + error + b"\n\n") == (token, error)
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
    head = engine_head(b"POST /x", b"h:1", b"a/b", 5, b"id")
    assert head.startswith(b"POST /x HTTP/1.1\r\nhost: h:1\r\n")
    assert head.endswith(b"content-type: a/b\r\ncontent-length: 5\r\nx-request-id: id\r\n\r\n")


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


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; Boundary="a b"', b"a b"),
        (b"multipart/form-data;boundary=" + b"x" * 70, b"x" * 70),
        (b"multipart/form-data;boundary=" + b"x" * 71, None),
        (b"multipart/form-data; boundary=a; boundary=b", None),
        (b"multipart/form-data; boundary=", None),
        (b'multipart/form-data; boundary="a "', None),
        (b"multipart/form-data; boundary=a\xff", None),
        (b"multipart/form-data", None),
    ],
)
def test_a_form_names_one_boundary_as_the_standard_has_it(value: bytes, boundary: bytes | None) -> None:
    assert is_form(value)
    assert boundary_of(value) == boundary


@pytest.mark.parametrize("value", [None, b"", b"multipart/mixed; boundary=a", b"multipart/form-data-x; boundary=a"])
def test_other_media_types_are_no_form(value: bytes | None) -> None:
    assert not is_form(value)
