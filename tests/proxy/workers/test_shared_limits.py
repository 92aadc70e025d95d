"""Limits in shared memory decide as a process's own do: the table without a second process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.keys import KeyLimits
from proxy.access.allowance import OWN_LIMITS, Allowance, Limits, Refusal
from proxy.access.keyring import Keyring
from proxy.access.keys import Key
from proxy.access.limit_table import LimitTable
from proxy.access.rate_headers import rate_lines
from proxy.access.shared_limits import SharedLimits
from proxy.sharing.memory import LIMITS, SharedMemory, make_memory
from proxy.sharing.table import digest_of
from tests.proxy.clock import Clock

WORKERS = 3
KEY, USER = "key one", "user ann"


@contextmanager
def shared(workers: int = WORKERS) -> Iterator[tuple[SharedMemory, list[Limits]]]:
    """One memory, and each worker's way to it."""
    file = make_memory(workers)
    try:
        memory = SharedMemory(file, workers)
        yield memory, [SharedLimits(LimitTable(memory, worker, workers)) for worker in range(workers)]
    finally:
        os.close(file)


def admitted(limits: Limits, allowance: Allowance, tokens: int = 1, now: float = 0.0) -> bool:
    return not isinstance(limits.take((allowance,), tokens, now), Refusal)


Maybe = st.none() | st.integers(1, 50)
Some = st.builds(KeyLimits, requests_per_minute=Maybe, tokens_per_minute=Maybe, concurrent_requests=Maybe)
# Who acts, after how many seconds; tokens to take, or the number of a request to settle and what it cost.
Step = st.tuples(st.integers(0, WORKERS - 1), st.floats(0, 40), st.booleans(), st.integers(0, 60), st.integers(0, 9))


@given(Some, Some, st.lists(Step, max_size=40))
def test_workers_together_decide_what_one_alone_decides(
    own: KeyLimits, users: KeyLimits, steps: list[tuple[int, float, bool, int, int]]
) -> None:
    now = 0.0
    with shared() as (_, ways):
        alone = [OWN_LIMITS.allowance(KEY, own, now), OWN_LIMITS.allowance(USER, users, now)]
        together = [[way.allowance(KEY, own, now), way.allowance(USER, users, now)] for way in ways]
        running: list[tuple[int, tuple[int, ...]]] = []
        for worker, pause, begins, tokens, which in steps:
            now += pause
            if begins:
                expected = OWN_LIMITS.take(alone, tokens, now)
                assert ways[worker].take(together[worker], tokens, now) == expected
                if not isinstance(expected, Refusal):
                    running.append((worker, expected))
            elif running:
                by, reserved = running.pop(which % len(running))
                OWN_LIMITS.settle(alone, reserved, tokens)
                ways[by].settle(together[by], reserved, tokens)
        assert all(rate_lines(each, now) == rate_lines(alone, now) for each in together)


def test_what_a_dead_worker_ran_is_given_back_and_what_others_run_is_not() -> None:
    with shared() as (memory, ways):
        limits = KeyLimits(concurrent_requests=5)
        each = [way.allowance(KEY, limits, 0.0) for way in ways]
        for worker in (0, 0, 0, 1, 2):
            assert admitted(ways[worker], each[worker])
        assert not admitted(ways[1], each[1])
        memory.forget(0)
        assert [admitted(ways[1], each[1]) for _ in range(4)] == [True, True, True, False]
        ways[2].settle((each[2],), (0,), 0)
        assert admitted(ways[0], each[0])
        assert not admitted(ways[2], each[2])


def test_new_limits_begin_full_once_and_not_once_for_each_worker_that_hears_of_them() -> None:
    with shared() as (_, ways):
        each = [way.allowance(KEY, KeyLimits(requests_per_minute=2), 0.0) for way in ways]
        assert [admitted(ways[0], each[0]) for _ in range(3)] == [True, True, False]
        new = KeyLimits(requests_per_minute=4)
        each[0].adopt(new, 0.0)
        assert [admitted(ways[1], each[1]) for _ in range(3)] == [True] * 3, "who has not heard holds to the new ones"
        each[1].adopt(new, 0.0)
        each[2].adopt(new, 0.0)
        assert [admitted(ways[2], each[2]) for _ in range(2)] == [True, False]


def test_a_worker_that_begins_later_finds_what_is_left() -> None:
    with shared() as (_, ways):
        limits = KeyLimits(requests_per_minute=3)
        first = ways[0].allowance(KEY, limits, 0.0)
        assert admitted(ways[0], first)
        late = ways[1].allowance(KEY, limits, 5.0)
        assert b"x-ratelimit-remaining-requests: 2\r\n" in rate_lines((late,), 0.0)
        assert [admitted(ways[1], late) for _ in range(3)] == [True, True, False]


def crowd() -> list[str]:
    """One holder more than the places of one set, all of that set."""
    names: list[str] = []
    number = 0
    while len(names) <= LIMITS.ways:
        name = f"key {number}"
        number += 1
        if int.from_bytes(digest_of(name)[:4], "little") % LIMITS.sets == 7:
            names.append(name)
    return names


def test_where_too_many_are_busy_a_holder_is_refused_and_finds_a_place_when_one_is_idle() -> None:
    with shared() as (_, ways):
        limits = KeyLimits(requests_per_minute=60)
        *busy, late = (ways[0].allowance(name, limits, 0.0) for name in crowd())
        for each in busy:
            assert admitted(ways[0], each)
            ways[0].settle((each,), (0,), 0)
        refusal = ways[1].take((late,), 1, 0.0)
        assert isinstance(refusal, Refusal)
        assert "too many others are busy" in refusal.what
        assert admitted(ways[1], late, now=1.0), "after a second the others are full again"
        assert b"x-ratelimit-remaining-requests: 59\r\n" in rate_lines((late,), 1.0)


def test_a_place_is_not_taken_while_a_request_of_its_holder_runs_anywhere() -> None:
    with shared() as (_, ways):
        limits = KeyLimits(concurrent_requests=1)
        *running, late = crowd()
        for number, name in enumerate(running):
            way = ways[number % WORKERS]
            assert admitted(way, way.allowance(name, limits, 0.0))
        assert not admitted(ways[0], ways[0].allowance(late, limits, 0.0), now=3600.0)


def test_a_keyring_of_one_worker_counts_with_that_of_another() -> None:
    clock = Clock()
    with shared() as (_, ways):
        rings = [Keyring(None, clock, way) for way in ways]
        limits = KeyLimits(concurrent_requests=2)
        keys = [Key("one", b"", "one", None, False, None, limits)]
        grants = []
        for ring in rings:
            ring.take(keys, {}, ever=True)
            grants.append(next(iter(ring._grants.values())))
        taken = [ways[worker].take(grants[worker].allowances, 1, 0.0) for worker in (0, 1, 2)]
        assert [isinstance(each, Refusal) for each in taken] == [False, False, True]
        for ring in rings:
            ring.take(keys, {}, ever=True)
        assert isinstance(ways[0].take(grants[0].allowances, 1, 0.0), Refusal), "news of other keys change nothing"


@pytest.mark.parametrize("workers", [1, 64])
def test_the_memory_takes_what_is_used_and_no_more(workers: int) -> None:
    with shared(workers) as (memory, ways):
        for number in range(100):
            assert admitted(ways[-1], ways[-1].allowance(f"key {number}", KeyLimits(requests_per_minute=5), 0.0))
        memory.forget(workers - 1)
        file = memory.limits.file
        assert os.fstat(file).st_blocks * 512 < 2**20 + workers * LIMITS.records * 4
