"""Where bad keys come from: an address that sends many is told to wait.

Only the connection's own address counts; what a header says of it may be a lie.
"""

from collections.abc import Callable
from ipaddress import IPv6Interface

from proxy.access.bucket import Bucket

BAD_KEYS_PER_MINUTE = 30
MOST_SOURCES = 10_000


class BadKeys:
    """Counts bad keys by source. What it remembers is bounded: the source that was quiet longest is forgotten."""

    def __init__(self, clock: Callable[[], float], per_minute: int = BAD_KEYS_PER_MINUTE) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._sources: dict[str, Bucket] = {}

    @property
    def has_any(self) -> bool:
        """Whether a bad key was seen from anywhere."""
        return bool(self._sources)

    def wait(self, source: str) -> float:
        """Seconds until a bad key from there is looked at again; 0: it is now."""
        bucket = self._sources.get(source)
        return bucket.wait(1, self._clock()) if bucket is not None else 0.0

    def count(self, source: str) -> None:
        """One more bad key."""
        bucket = self._sources.pop(source, None) or Bucket(self._per_minute, self._clock())
        self._sources[source] = bucket  # at the end: the newest
        bucket.take(1)
        if len(self._sources) > MOST_SOURCES:
            del self._sources[next(iter(self._sources))]


def source_of(client: tuple[str, int] | None) -> str:
    """A connection's address -> the source that it stands for: of IPv6 the network that one subscriber has."""
    if client is None:
        return ""
    host = client[0]
    if ":" not in host:
        return host
    subscriber = IPv6Interface((host, 64))
    return str(subscriber.ipv4_mapped or subscriber.network)
