"""Reading what engines report, from bytes."""

import pytest

from contract.usage import Usage
from proxy.access.estimate import ANSWER, MOST_PROMPT, estimate_of
from proxy.gateway.peek import peek
from proxy.gateway.tally import Tally
from proxy.gateway.usage_report import asks_for_usage, read_events, usage_of, with_usage_wish

TEXT = b'data: {"choices":[{"delta":{"content":"the \\"usage\\": {} of choices\\":[]"}}]}\n\n'
FINAL = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
ESTIMATE = Usage(10, 100)

ANSWERS = [
    (b'{"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}', Usage(3, 5)),
    (b'{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}', Usage(3, 0)),
    (b'{"usage":{"input_tokens":3,"output_tokens":5}}', Usage(3, 5)),
    (b'{"usage":{"prompt_tokens":-3,"completion_tokens":1e99}}', None),
    (b'{"usage":{"prompt_tokens":-3,"completion_tokens":9999999999999999}}', Usage(0, 10**12)),
    (b'{"usage":null}', None),
    (b'{"usage":{}}', None),
    (b'{"usage":"none"}', None),
    (b"[1]", None),
]


@pytest.mark.parametrize(("document", "usage"), ANSWERS)
def test_a_plain_answers_usage_is_read_in_any_of_the_words(document: bytes, usage: Usage | None) -> None:
    assert usage_of(document) == usage


def test_the_event_of_the_usage_alone_is_taken_out_and_no_other() -> None:
    assert read_events(TEXT + FINAL + DONE, hide=True) == (Usage(3, 5), TEXT + DONE)
    assert read_events(TEXT + FINAL + DONE, hide=False) == (Usage(3, 5), TEXT + FINAL + DONE)
    mixed = FINAL.replace(b"[]", b'[{"delta":{}}]')
    assert read_events(mixed, hide=True) == (Usage(3, 5), mixed)
    crlf = FINAL.replace(b"\n", b"\r\n")
    assert read_events(TEXT + crlf + DONE, hide=True) == (Usage(3, 5), TEXT + DONE)
    broken = b'data: {"usage": nonsense}\n\n'
    assert read_events(broken, hide=True) == (None, broken)


def test_the_events_of_other_endpoints_are_read_too() -> None:
    tally = Tally()
    tally.take(b'event: message_start\ndata: {"message":{"usage":{"input_tokens":7,"output_tokens":1}}}\n\n')
    tally.take(b'event: message_delta\ndata: {"delta":{},"usage":{"output_tokens":9}}\n\n')
    assert tally.usage == Usage(7, 9)
    tally = Tally()
    tally.take(b'data: {"response":{"usage":null}}\n\n')
    tally.take(b'data: {"response":{"usage":{"input_tokens":4,"output_tokens":6}}}\n\n')
    assert tally.usage == Usage(4, 6)


def test_words_in_a_text_are_no_report() -> None:
    tally = Tally(hides_usage=True)
    assert tally.take(TEXT) is TEXT
    assert (tally.usage, tally.events) == (None, 1)


def expected() -> Usage:
    return ESTIMATE


def tally_of(*, is_sent: bool = True, events: int = 0, **marks: bool) -> Tally:
    tally = Tally()
    tally.is_sent, tally.events = is_sent, events
    for name, value in marks.items():
        setattr(tally, name, value)
    return tally


def test_what_a_request_cost_is_what_is_known_of_it() -> None:
    assert tally_of(is_sent=False).spent(expected) is None
    assert tally_of(is_refused=True).spent(expected) is None
    assert tally_of(events=7).spent(expected) == Usage(10, 7)
    assert tally_of(events=7, is_whole=True).spent(expected) == Usage(10, 7)
    assert tally_of().spent(expected) == ESTIMATE
    assert tally_of(is_whole=True).spent(expected) == Usage()
    assert tally_of(events=7).spent(Usage) == Usage()  # a picture's
    told = tally_of(events=7)
    told.take(FINAL)
    assert told.spent(expected) == Usage(3, 5)
    left = tally_of(events=6)
    left.take(b'event: message_start\ndata: {"message":{"usage":{"input_tokens":3,"output_tokens":0}}}\n\n')
    assert left.spent(expected) == Usage(3, 7)


def test_a_wish_for_the_usage_changes_one_member_and_keeps_every_other_byte() -> None:
    body = b'{ "model":"m", "stream":true, "seed":1.50,"x":{"b": [1,  2]},"stream_options":{"z":1e1} }'
    assert with_usage_wish(body, peek(body)) == (
        b'{"model":"m","stream":true,"seed":1.50,"x":{"b": [1,  2]},"stream_options":{"z":1e1,"include_usage":true}}'
    )


@pytest.mark.parametrize("begin", [b"{", b" \n{ "])
def test_a_wish_for_the_usage_where_nothing_is_said_of_it_keeps_every_byte(begin: bytes) -> None:
    body = begin + b'"model":"m", "stream":true,"x":{"b": [1,  2]}}'
    wished = with_usage_wish(body, peek(body))
    assert wished.replace(b'"stream_options":{"include_usage":true},', b"") == body
    assert asks_for_usage(peek(wished))


@pytest.mark.parametrize(
    ("options", "asks"), [(b'{"include_usage":true}', True), (b'{"include_usage":false}', False), (b"null", False)]
)
def test_whether_a_caller_asks_is_read_from_its_options(options: bytes, asks: bool) -> None:
    assert asks_for_usage(peek(b'{"stream_options":%b}' % options)) is asks


ESTIMATES = [
    (b"{}", Usage(0, ANSWER)),
    (b'{"max_tokens":7}', Usage(5, 7)),
    (b'{"max_tokens":7,"max_completion_tokens":9}', Usage(14, 9)),
    (b'{"max_tokens":7,"n":3}', Usage(7, 21)),
    (b'{"max_tokens":-7,"n":0}', Usage(7, ANSWER)),
    (b'{"max_tokens":"7","n":1000000000}', Usage(11, ANSWER * 128)),
    (b'{"max_tokens":1e3}', Usage(6, ANSWER)),
    (b'{"max_tokens":null}', Usage(6, ANSWER)),
    (b'{"x":"' + b"y" * 1_000_000 + b'"}', Usage(MOST_PROMPT, ANSWER)),
]


@pytest.mark.parametrize(("body", "estimate"), ESTIMATES, ids=range(len(ESTIMATES)))
def test_a_request_is_taken_to_cost_its_body_and_as_much_as_it_allows(body: bytes, estimate: Usage) -> None:
    assert estimate_of(peek(body), len(body)) == estimate
