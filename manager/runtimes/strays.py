"""What nobody wants, and since when. Pure."""

from collections.abc import Iterable

STRAY_SECONDS = 60.0


class Strays:
    """Remembers what was unwanted in each look so far.

    By looks and not by a thing's own age: clocks of daemons differ from ours, and what was wanted until just now is
    still being ended by whoever wanted it.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def ripe(self, unwanted: Iterable[str], now: float) -> frozenset[str]:
        """Those that were unwanted in every look for a minute. `now` is seconds of one clock."""
        self._since = {each: self._since.get(each, now) for each in unwanted}
        return frozenset(each for each, since in self._since.items() if now - since >= STRAY_SECONDS)
