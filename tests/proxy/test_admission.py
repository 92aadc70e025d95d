"""Tickets of admitted requests, whose they are, and the buckets that they draw from: to the token and the second."""

from dataclasses import replace

import pytest

from contract.errors import ApiError
from contract.keys import KeyLimits
from contract.usage import Usage
from proxy.access.admission import TICKET, key_of, may_see, owner_of
from proxy.access.bucket import Bucket
from proxy.access.gate import ADMITTED
from proxy.access.guard import GRANT
from proxy.access.keyring import Grant
from proxy.access.keys import Key
from tests.proxy.clock import Clock
from tests.proxy.test_limits import SPENT, access_of, admit, told


def test_a_ticket_counts_what_a_stored_key_uses_and_expects_what_it_was_told() -> None:
    access, grant, _ = access_of(KeyLimits(), Clock())
    scope: dict[str, object] = {GRANT: grant}
    ticket = access.admit(scope, "small", lambda: SPENT)
    assert (ticket.counts, ticket.expect(), scope[TICKET]) == (True, SPENT, ticket)
    first = Grant(replace(grant.key, is_stored=False), ())
    assert access.admit({GRANT: first}, "small", lambda: SPENT).counts is False


def test_who_needs_no_key_is_admitted_to_everything_and_nothing_is_counted() -> None:
    access, _, book = access_of(KeyLimits(concurrent_requests=1), Clock())
    scope: dict[str, object] = {}
    for _ in range(3):
        ticket = access.admit(scope, "small", lambda: SPENT)
        assert (ticket.counts, ticket.expect(), scope) == (False, Usage(), {})
        ticket.settle(SPENT)
        ticket.outlive().settle(SPENT)
    assert book.tear_off() == []


def test_who_was_admitted_before_keeps_that_ticket_for_once_and_is_charged_for_once() -> None:
    access, grant, _ = access_of(KeyLimits(requests_per_minute=6), Clock())
    ticket = admit(access, grant)
    scope: dict[str, object] = {GRANT: grant, ADMITTED: ticket}
    assert access.admit(scope, "small", lambda: SPENT) is ticket
    assert told(grant)["x-ratelimit-limit-requests"] == "6"
    assert told(grant)["x-ratelimit-remaining-requests"] == "5"
    assert access.admit(scope, "small", lambda: SPENT) is not ticket
    assert told(grant)["x-ratelimit-remaining-requests"] == "4"


def test_what_goes_on_after_its_request_is_settled_once_and_by_the_ticket_that_outlives_it() -> None:
    limits = KeyLimits(concurrent_requests=1, tokens_per_minute=100)
    access, grant, book = access_of(limits, Clock())
    ticket = admit(access, grant, 40)
    rest = ticket.outlive()
    ticket.settle(SPENT)
    with pytest.raises(ApiError, match="This key may have 1 requests at a time"):
        admit(access, grant)
    assert rest.expect() == Usage(0, 40)
    rest.settle(SPENT)
    assert told(grant)["x-ratelimit-remaining-tokens"] == "92"
    assert book.tear_off() == [("one", "small", 1, 3, 5)]
    ticket.outlive().settle(SPENT)
    assert book.tear_off() == []


@pytest.mark.parametrize(("user", "owner"), [("ann", "ann"), (None, "one")])
def test_a_request_is_its_keys_users_or_its_keys_own_or_nobodys(user: str | None, owner: str) -> None:
    scope = {GRANT: Grant(Key("one", b"", "its name", user, False, frozenset({"small"}), KeyLimits()), ())}
    assert (owner_of(scope), key_of(scope)) == (owner, "one")
    assert (may_see(scope, "small"), may_see(scope, "large")) == (True, False)
    assert (owner_of({}), key_of({}), may_see({}, "large")) == ("", "", True)


@pytest.mark.parametrize(
    ("pause", "level", "wait_for_one", "wait_for_more"),
    [(0, -2, 30, 60), (10, -1, 20, 50), (20, 0, 10, 40), (30, 1, 0, 30), (60, 4, 0, 0), (600, 4, 0, 0)],
)
def test_a_bucket_fills_evenly_and_says_how_long_each_amount_takes(
    pause: float, level: float, wait_for_one: float, wait_for_more: float
) -> None:
    bucket = Bucket(6, 100.0)
    bucket.take(8)
    bucket.restore(*bucket.state)
    bucket.size = 4
    now = 100 + pause
    assert bucket.wait(1, now) == wait_for_one
    assert bucket.wait(4, now) == bucket.wait(9, now) == bucket.until_full(now) == wait_for_more
    assert (bucket.level(now), bucket.level(50)) == (level, level)
    assert bucket.state == (level, now)
    assert repr(bucket) == f"<Bucket {level:.1f} of 4>"


def test_what_is_drawn_is_taken_where_it_is_there_and_else_nothing_is() -> None:
    bucket = Bucket(6, 0.0)
    assert (bucket.draw(4, 0.0), bucket.level(0.0)) == (0, 2)
    assert (bucket.draw(3, 0.0), bucket.level(0.0)) == (10, 2)
    assert (bucket.draw(2, 0.0), bucket.level(0.0)) == (0, 0)
    bucket.give_back(5)
    assert (bucket.draw(9, 0.0), bucket.level(0.0)) == (10, 5)
    bucket.give_back(5)
    assert (bucket.draw(9, 0.0), bucket.level(0.0)) == (0, 0)
