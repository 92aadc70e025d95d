"""The writes of one turn of the loop: all of them, in their order, and none that waits for ever."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.gateway.outbox import MOST, SMALL, Outbox

pytestmark = pytest.mark.anyio


def to(written: list[tuple[str, bytes]], name: str) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        written.append((name, data))

    return write


async def test_what_is_added_in_one_turn_is_written_in_the_next_in_its_order() -> None:
    outbox, written = Outbox(), list[tuple[str, bytes]]()
    one, other = to(written, "one"), to(written, "other")
    outbox.add(one, b"1")
    outbox.add(other, b"2")
    outbox.add(one, b"3")
    assert written == []
    await asyncio.sleep(0)
    assert written == [("one", b"1"), ("other", b"2"), ("one", b"3")]
    outbox.add(other, b"4")
    await asyncio.sleep(0)
    assert written[3:] == [("other", b"4")]


@pytest.mark.parametrize(("size", "count"), [(SMALL + 1, 1), (1, MOST)])
async def test_much_is_written_at_once_so_that_its_writer_feels_who_does_not_read(size: int, count: int) -> None:
    outbox, written = Outbox(), list[tuple[str, bytes]]()
    write = to(written, "one")
    outbox.add(write, b"first")
    for _ in range(count):
        outbox.add(write, bytes(size))
    assert written[0] == ("one", b"first")
    assert len(written) >= count


async def test_who_is_to_be_closed_has_its_bytes_before() -> None:
    outbox, written = Outbox(), list[tuple[str, bytes]]()
    outbox.add(to(written, "one"), b"last words")
    outbox.flush()
    assert written == [("one", b"last words")]
    await asyncio.sleep(0)
    assert len(written) == 1
