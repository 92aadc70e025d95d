"""Limits, decided without a clock of their own: what is allowed, what is told, and that races find nothing."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError
from contract.keys import KeyLimits
from contract.usage import Usage
from proxy.access.admission import Access, Ticket
from proxy.access.allowance import Allowance
from proxy.access.bucket import Bucket
from proxy.access.guard import GRANT
from proxy.access.keyring import Grant
from proxy.access.keys import Key
from proxy.access.rate_headers import duration, rate_lines
from proxy.access.sources import BAD_KEYS_PER_MINUTE, MOST_SOURCES, BadKeys, source_of
from proxy.access.usage_book import UsageBook
from tests.proxy.clock import Clock

pytestmark = pytest.mark.anyio
SPENT = Usage(3, 5)


def access_of(limits: KeyLimits, clock: Clock, user_limits: KeyLimits | None = None) -> tuple[Access, Grant, UsageBook]:
    allowances = [Allowance("key one", limits, clock())]
    if user_limits is not None:
        allowances.append(Allowance("user ann", user_limits, clock()))
    key = Key("one", b"", "one", "ann", False, None, limits)
    book = UsageBook()
    return Access(book, clock), Grant(key, tuple(allowances)), book


def told(grant: Grant) -> dict[str, str]:
    lines = rate_lines(grant.allowances, 0.0).decode().splitlines()
    return dict(line.split(": ") for line in lines)


def admit(access: Access, grant: Grant, tokens: int = 10) -> Ticket:
    return access.admit({GRANT: grant}, "small", lambda: Usage(0, tokens))


async def racing(access: Access, grant: Grant, callers: int) -> list[Ticket]:
    """All begin at the same moment -> the tickets of those who were admitted."""
    barrier = asyncio.Barrier(callers)
    admitted: list[Ticket] = []

    async def one() -> None:
        await barrier.wait()
        with contextlib.suppress(ApiError):
            admitted.append(admit(access, grant))

    await asyncio.gather(*(one() for _ in range(callers)))
    return admitted


@pytest.mark.parametrize("limits", [KeyLimits(requests_per_minute=10), KeyLimits(concurrent_requests=10)])
async def test_of_a_hundred_at_once_a_limit_of_ten_admits_exactly_ten(limits: KeyLimits) -> None:
    for _ in range(99):
        access, grant, _ = access_of(limits, Clock())
        assert len(await racing(access, grant, 100)) == 10


async def test_parallel_requests_cannot_share_the_last_tokens() -> None:
    access, grant, _ = access_of(KeyLimits(tokens_per_minute=95), Clock())
    assert len(await racing(access, grant, 100)) == 9


def test_a_users_limit_holds_over_all_of_its_keys() -> None:
    clock = Clock()
    shared = Allowance("user ann", KeyLimits(concurrent_requests=1), clock())
    keys = [Key(name, b"", name, "ann", False, None, KeyLimits()) for name in "ab"]
    one, other = (Grant(key, (shared,)) for key in keys)
    access = Access(UsageBook(), clock)
    ticket = admit(access, one)
    with pytest.raises(ApiError, match="This key's user may have 1 requests at a time"):
        admit(access, other)
    ticket.settle(None)
    admit(access, other)


def test_what_is_refused_by_one_limit_takes_nothing_of_another() -> None:
    access, grant, _ = access_of(KeyLimits(requests_per_minute=5), Clock(), KeyLimits(concurrent_requests=1))
    admit(access, grant)
    for _ in range(20):
        with pytest.raises(ApiError):
            admit(access, grant)
    assert told(grant)["x-ratelimit-remaining-requests"] == "4"


def test_a_refusal_says_when_to_come_back_and_then_there_is_room() -> None:
    clock = Clock()
    access, grant, _ = access_of(KeyLimits(requests_per_minute=6), clock)
    for _ in range(6):
        admit(access, grant).settle(None)
    with pytest.raises(ApiError, match="6 requests per minute") as refused:
        admit(access, grant)
    assert (refused.value.status, refused.value.code) == (429, "rate_limit_exceeded")
    assert refused.value.headers["retry-after"] == "10"
    clock.now += 10
    admit(access, grant)


def test_the_reserved_tokens_are_given_back_and_the_spent_are_charged() -> None:
    access, grant, book = access_of(KeyLimits(tokens_per_minute=1000), Clock())
    ticket = admit(access, grant, 900)
    assert told(grant)["x-ratelimit-remaining-tokens"] == "100"
    ticket.settle(SPENT)
    assert told(grant)["x-ratelimit-remaining-tokens"] == "992"
    assert book.tear_off() == [("one", "small", 1, 3, 5)]


def test_more_than_was_reserved_is_a_debt_that_the_next_waits_for_and_is_never_shown_as_less_than_none() -> None:
    clock = Clock()
    access, grant, _ = access_of(KeyLimits(tokens_per_minute=60), clock)
    admit(access, grant, 10).settle(Usage(100, 20))
    assert told(grant)["x-ratelimit-remaining-tokens"] == "0"
    with pytest.raises(ApiError) as refused:
        admit(access, grant, 10)
    assert refused.value.headers["retry-after"] == "70"
    clock.now += 70
    admit(access, grant, 10)


def test_a_request_that_asks_for_more_than_a_minute_has_waits_for_a_whole_one_and_is_then_admitted() -> None:
    access, grant, _ = access_of(KeyLimits(tokens_per_minute=60), Clock())
    ticket = admit(access, grant, 10**9)
    with pytest.raises(ApiError):
        admit(access, grant, 1)
    ticket.settle(None)
    assert told(grant)["x-ratelimit-remaining-tokens"] == "60"


def test_a_ticket_is_settled_once() -> None:
    access, grant, book = access_of(KeyLimits(concurrent_requests=2), Clock())
    first, _ = admit(access, grant), admit(access, grant)
    for _ in range(5):
        first.settle(SPENT)
    admit(access, grant)
    with pytest.raises(ApiError):
        admit(access, grant)
    assert book.tear_off() == [("one", "small", 1, 3, 5)]


def test_a_model_out_of_the_keys_scope_is_refused_and_takes_nothing() -> None:
    clock = Clock()
    key = Key("one", b"", "one", None, False, frozenset({"large"}), KeyLimits())
    access = Access(UsageBook(), clock)
    with pytest.raises(ApiError) as refused:
        admit(access, Grant(key, ()))
    assert (refused.value.status, refused.value.code, refused.value.param) == (403, "model_not_allowed", "model")
    assert refused.value.headers == {"x-should-retry": "false"}
    assert "may not use the model 'small'" in refused.value.message
    assert access.admit({GRANT: Grant(key, ())}, "large", Usage).counts


Steps = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 40), st.integers(0, 60)), max_size=60)


@given(Steps, st.integers(1, 50))
def test_over_any_time_a_bucket_gives_no_more_than_its_size_and_what_flowed_in(
    steps: list[tuple[float, int, int]], size: int
) -> None:
    now, taken = 0.0, 0
    bucket = Bucket(size, now)
    for pause, amount, _ in steps:
        now += pause
        if not bucket.wait(amount, now):
            bucket.take(min(amount, size))
            taken += min(amount, size)
        assert bucket.level(now) <= size
    assert taken <= size + now * size / 60 + 1e-6


def test_a_clock_that_stands_still_or_goes_back_fills_nothing() -> None:
    bucket = Bucket(10, 100.0)
    bucket.take(10)
    assert bucket.level(50.0) == 0
    assert bucket.wait(1, 100.0) == pytest.approx(6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (59.9996, "1m0s"),
        (72.5, "1m12.5s"),
        (60, "1m0s"),
        (3725.001, "62m5.001s"),
    ],
)
def test_times_are_told_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text.encode()


def test_a_source_of_bad_keys_is_told_to_wait_others_are_not_and_the_memory_is_bounded() -> None:
    clock = Clock()
    bad = BadKeys(clock)
    for _ in range(BAD_KEYS_PER_MINUTE):
        assert bad.wait("10.0.0.1") == 0
        bad.count("10.0.0.1")
    assert bad.wait("10.0.0.1") > 0
    assert bad.wait("10.0.0.2") == 0
    clock.now += 60
    assert bad.wait("10.0.0.1") == 0
    for number in range(MOST_SOURCES + 50):
        bad.count(str(number))
    assert len(bad._sources) == MOST_SOURCES


def test_the_source_that_was_quiet_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.access.sources.MOST_SOURCES", 2)
    bad = BadKeys(Clock(), 1)
    assert not bad.has_any
    for source in ("a", "b", "a", "c"):
        bad.count(source)
    assert [bad.wait(source) for source in ("a", "b", "c", "d")] == [120, 0, 60, 0]
    assert bad.has_any


def test_an_ipv6_subscriber_is_one_source_whatever_address_it_takes() -> None:
    assert source_of(("2001:db8:1:2::7", 1)) == source_of(("2001:db8:1:2:ffff::9", 1)) != source_of(("2001:db8::1", 1))
    assert source_of(("::ffff:10.0.0.1", 1)) == source_of(("10.0.0.1", 1))
    assert source_of(("fe80::1%eth0", 1)) == "fe80::/64"
    assert source_of(None) == ""


def test_what_could_not_be_written_down_is_counted_on() -> None:
    book = UsageBook()
    book.count("one", "small", SPENT)
    rows = book.tear_off()
    book.count("one", "small", SPENT)
    book.put_back(rows)
    assert book.tear_off() == [("one", "small", 2, 6, 10)]
    assert book.tear_off() == []
