"""What several workers need, part by part."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.prometheus import Exposition, Histogram
from proxy.metrics.merging import Merging
from proxy.settings import Settings
from proxy.sharing.whole_lines import ATOMIC, WholeLines
from proxy.workers.listening import addresses_of, own_sockets, reserve
from proxy.workers.pauses import HEALTHY, LONGEST, SHORTEST, Pauses
from proxy.workers.serve import CannotTogether, serve_together
from tests.proxy.clock import Clock
from tests.proxy.scraped import Scrape


def text(requests: int, running: int, state: str, *seconds: float) -> bytes:
    out = Exposition()
    out.counter("roundhouse_requests_total", "Requests.", [({"path": "/a b"}, requests)])
    out.gauge("roundhouse_requests_in_flight", "Now.", [({}, running)])
    out.gauge("roundhouse_model_state", "State.", [({"model": "small", "state": state}, 1)])
    histogram = Histogram((0.5, 1))
    for value in seconds:
        histogram.observe(value)
    out.histogram("seconds", "Seconds.", [({"model": 'a"} 7'}, histogram)])
    return out.encode()


def merged(*texts: bytes, past: bytes = b"") -> Scrape:
    merging = Merging()
    for each in texts:
        merging.add(each)
    merging.add(past, only_lasting=True)
    return Scrape.read(merging.encode())


def test_counts_add_up_and_what_all_see_alike_does_not() -> None:
    seen = merged(text(3, 1, "ready", 0.2, 2.0), text(4, 2, "ready", 0.7))
    assert seen.value("roundhouse_requests_total") == 7
    assert seen.value("roundhouse_requests_in_flight") == 3
    assert seen.value("roundhouse_model_state", state="ready") == 1
    assert seen.value("seconds_count") == 3
    assert seen.value("seconds_sum") == pytest.approx(2.9)
    assert [seen.value("seconds_bucket", le=bound) for bound in ("0.5", "1", "+Inf")] == [1, 2, 3]


def test_of_a_dead_worker_only_what_never_shrinks_is_told() -> None:
    seen = merged(text(3, 1, "ready", 0.2), past=text(4, 2, "stopped", 0.7))
    assert seen.value("roundhouse_requests_total") == 7
    assert seen.value("roundhouse_requests_in_flight") == 1
    assert seen.labels("state") == {"ready"}
    assert seen.value("seconds_count") == 2


def loads(count: int) -> bytes:
    out = Exposition()
    out.counter("roundhouse_model_loads_total", "Loads.", [({"model": "small"}, count)])
    return out.encode()


def test_what_each_worker_counts_of_the_same_goes_on_when_all_of_them_have_been_replaced() -> None:
    first = Merging()
    first.add(loads(5))
    first.add(loads(5))
    after = Merging()
    after.add(loads(2), first.common_counts)
    after.add(loads(1), first.common_counts)
    after.add(loads(5), only_lasting=True)
    assert Scrape.read(after.encode()).value("roundhouse_model_loads_total") == 7


def test_the_text_of_one_is_told_as_it_is() -> None:
    merging = Merging()
    merging.add(text(3, 1, "ready", 0.25))
    assert merging.encode() == text(3, 1, "ready", 0.25)
    assert Merging().encode() == b""


def test_pauses_grow_while_lives_are_short_and_begin_anew_after_a_long_one() -> None:
    clock = Clock()
    pauses = Pauses(clock)

    def life(seconds: float) -> float:
        pauses.begin()
        clock.now += seconds
        return pauses.end()

    assert [life(1) for _ in range(4)] == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST, 8 * SHORTEST]
    assert max(life(1) for _ in range(20)) == LONGEST
    assert life(HEALTHY) == SHORTEST


@given(lines=st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=300), max_size=80))
def test_lines_are_written_whole_and_in_pieces_that_no_other_process_can_cut(lines: list[str]) -> None:
    pieces: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda _, data: pieces.append(data))
        WholeLines(1).write("".join(f"{line}\n" for line in lines))
    assert b"".join(pieces) == "".join(f"{line}\n" for line in lines).encode()
    assert all(len(piece) <= ATOMIC and piece.endswith(b"\n") for piece in pieces)


def test_lines_reach_the_stream() -> None:
    reader, writer = os.pipe()
    WholeLines(writer).write("one\ntwo\n")
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read() == "one\ntwo\n"


def test_a_port_is_held_for_several_and_for_nobody_else() -> None:
    held = reserve("127.0.0.1", 0)
    (address,) = addresses_of(held)
    first, second = (own_sockets((address,))[0] for _ in range(2))
    for each in (first, second):
        each.listen()
    with pytest.raises(OSError, match="in use"):
        reserve("127.0.0.1", address[2])
    for each in (first, second, *held):
        each.close()
    for each in reserve("127.0.0.1", address[2]):
        each.close()


def test_where_a_port_cannot_be_shared_several_workers_are_refused_and_one_is_named() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(socket, "SO_REUSEPORT")
        with pytest.raises(CannotTogether, match="ROUNDHOUSE_PROXY_WORKERS=1"):
            serve_together(Settings(proxy_workers=2, proxy_port=0))


def test_all_addresses_of_a_name_get_the_same_port() -> None:
    held = reserve("localhost", 0)
    assert {address[1] for address in addresses_of(held)} <= {"127.0.0.1", "::1"}
    assert len({address[2] for address in addresses_of(held)}) == 1
    assert all(each.family in {socket.AF_INET, socket.AF_INET6} for each in held)
    for each in held:
        each.close()
