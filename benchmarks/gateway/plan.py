"""How long each part measures, and whom."""

from dataclasses import dataclass

from benchmarks.gateway.peers import CATALOGUE, Peer

PARTS = ("requests", "streams", "memory", "beside")


@dataclass(frozen=True)
class Plan:
    """Rounds are interleaved: in each, every subject is measured once. Times are seconds.

    first_bytes: streams one after the other, in each round
    growth_requests: what the memory is watched over
    """

    rounds: int = 5
    crowd_seconds: int = 5
    alone_seconds: int = 3
    stream_rounds: int = 3
    stream_seconds: int = 6
    first_bytes: int = 100
    growth_requests: int = 200_000
    beside_rounds: int = 5
    beside_seconds: int = 8
    parts: tuple[str, ...] = PARTS
    peers: tuple[Peer, ...] = CATALOGUE
    is_whole: bool = True


QUICK = Plan(
    rounds=2,
    crowd_seconds=2,
    alone_seconds=1,
    stream_rounds=1,
    stream_seconds=3,
    first_bytes=50,
    growth_requests=80_000,
    beside_rounds=1,
    beside_seconds=4,
    is_whole=False,
)
