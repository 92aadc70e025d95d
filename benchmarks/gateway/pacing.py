"""What a proxy adds to a stream's pace, from when each delta was sent and when it came."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.gateway.figures import median_of, percentile
from benchmarks.gateway.streams import Stream

STALL = 0.25  # seconds more between two deltas than the engine left: somebody sees it


@dataclass(frozen=True)
class Pacing:
    """Of many streams together; times are seconds.

    delay: the median from sending a delta to its coming
    gap, longest: how much longer the pause before a delta was than its engine made it: of 99 in 100, and of all
    stalls: pauses that were STALL longer
    spoilt: streams that lost, doubled or changed the order of deltas, or did not end
    joined: the share of deltas that did not come as a chunk of their own
    cpu: what a delta cost the proxy's processes, where they were watched
    """

    streams: int
    deltas: int
    delay: float
    gap: float
    longest: float
    stalls: int
    spoilt: int
    joined: float
    cpu: float = 0.0

    @classmethod
    def of(cls, streams: Sequence[Stream], deltas: int) -> "Pacing":
        """Each stream was to have so many deltas. Raises ValueError where none had any."""
        gaps = [gap for stream in streams for gap in added_gaps(stream)]
        delays = [(each.came - each.sent) / 1e9 for stream in streams for each in stream.arrivals]
        if not delays:
            raise ValueError("no stream brought a delta")
        chunks = sum(stream.chunks for stream in streams)
        return cls(
            streams=len(streams),
            deltas=len(delays),
            delay=median_of(delays),
            gap=percentile(gaps, 99),
            longest=max(gaps),
            stalls=sum(gap > STALL for gap in gaps),
            spoilt=sum(not stream.is_in_order(deltas) for stream in streams),
            joined=1 - chunks / len(delays),
        )


def added_gaps(stream: Stream) -> Iterable[float]:
    """Seconds by which the pause before each delta but the first was longer than the engine's own."""
    delays = [each.came - each.sent for each in stream.arrivals]
    return ((after - before) / 1e9 for before, after in pairwise(delays))


def middle(rounds: Sequence[Pacing]) -> Pacing:
    """The median of the figures, but the worst of what must never be: the longest gap, stalls, spoilt streams."""
    return Pacing(
        streams=rounds[0].streams,
        deltas=sum(each.deltas for each in rounds),
        delay=median_of(each.delay for each in rounds),
        gap=median_of(each.gap for each in rounds),
        longest=max(each.longest for each in rounds),
        stalls=sum(each.stalls for each in rounds),
        spoilt=sum(each.spoilt for each in rounds),
        joined=median_of(each.joined for each in rounds),
        cpu=median_of(each.cpu for each in rounds),
    )
