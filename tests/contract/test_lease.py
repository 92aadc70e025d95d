import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.lease import (
    Drain,
    Failed,
    Fetching,
    Heartbeat,
    LeaseEvent,
    Queued,
    Ready,
    Starting,
    Waking,
    decode_event,
    describe,
    encode_event,
)

seconds = st.floats(min_value=0, max_value=1e6)
events: st.SearchStrategy[LeaseEvent] = st.one_of(
    st.builds(Queued, position=st.integers(1, 1000)),
    st.builds(Fetching, bytes=st.integers(0), total=st.none() | st.integers(1)),
    st.builds(Starting, phase=st.text(), seconds=seconds, usual_seconds=st.none() | seconds),
    st.builds(Waking, seconds=seconds),
    st.builds(Ready, endpoint=st.just("http://127.0.0.1:8000")),
    st.builds(Drain, seconds=seconds),
    st.builds(Failed, code=st.text(), reason=st.text(), log_tail=st.tuples(st.text()), retry_after=seconds),
    st.just(Heartbeat()),
)


@given(events)
def test_an_event_is_one_line_and_reads_back_as_it_was(event: LeaseEvent) -> None:
    line = encode_event(event)
    assert line.count(b"\n") == 1
    assert decode_event(line) == event


@pytest.mark.parametrize("line", [b"", b"{}", b'{"event": "explode"}', b'{"event": "queued"}', b"\xff\n"])
def test_a_line_that_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValidationError):
        decode_event(line)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Queued(position=2), "queued: position 2"),
        (
            Starting(phase="loading weights", seconds=12.2, usual_seconds=40),
            "starting: loading weights, 12 of about 40 s",
        ),
        (Starting(phase="creating", seconds=3), "starting: creating, 3 s"),
        (Failed(code="x", reason="no memory"), "failed: no memory"),
    ],
)
def test_events_are_told_in_words(event: LeaseEvent, words: str) -> None:
    assert describe(event) == words
