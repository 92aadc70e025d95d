"""Who waits, in order: one line for each choice of places, so that nobody is looked at who waits behind another."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Set
from heapq import heapify, heappop, heappush

from manager.fixed import Place
from manager.scheduling.stall import STARTABLE, Stall

Key = tuple[bool, float, str]
Places = tuple[Place, ...]


def key_of(stall: Stall) -> Key | None:
    """The order of a model that waits: callers who have left come last. None where it does not wait."""
    if stall.wanted_since is None or stall.state not in STARTABLE:
        return None
    return (not stall.awaited, stall.wanted_since, stall.name)


class Lines:
    """Owned by the scheduler."""

    def __init__(self) -> None:
        self._lines: dict[Places, list[Key]] = {}
        self._stands: dict[str, tuple[Places, Key]] = {}
        self._all: list[Key] = []

    def __len__(self) -> int:
        return len(self._all)

    def join(self, key: Key, places: Places) -> None:
        """The model waits for one of the places."""
        insort(self._all, key)
        insort(self._lines.setdefault(places, []), key)
        self._stands[key[-1]] = (places, key)

    def leave(self, name: str) -> None:
        """The model does not wait any more, if it did."""
        places, key = self._stands.pop(name, ((), None))
        if key is None:
            return
        _drop(self._all, key)
        line = self._lines[places]
        _drop(line, key)
        if not line:
            del self._lines[places]

    def before(self, key: Key) -> int:
        """How many come before it, wherever they are to run."""
        return bisect_left(self._all, key)

    def in_order(self, claimed: Set[str]) -> Iterator[str]:
        """The names of those who wait. A line ends as soon as all devices of its places are claimed meanwhile."""
        heads = [(line[0], 0, places) for places, line in self._lines.items()]
        heapify(heads)
        while heads:
            key, index, places = heappop(heads)
            if places and all(device in claimed for place in places for device in place):
                continue
            yield key[-1]
            line = self._lines[places]
            if index + 1 < len(line):
                heappush(heads, (line[index + 1], index + 1, places))


def _drop(keys: list[Key], key: Key) -> None:
    del keys[bisect_left(keys, key)]
