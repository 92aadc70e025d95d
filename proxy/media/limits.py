"""What bounds the media of a request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MediaLimits:
    """Bytes, pixels and seconds.

    hosts: names from which media may be fetched, `name` or `name:port`; `*` is every public name; none by default
    size: one file, as it was sent
    pixels: of one picture, width times height
    count: pieces of media in one request; a frame of a video is one
    fetch, decode: one file; seconds: all of a request's
    workers: programs that decode; waiting: pictures that may wait for one
    memory: of each such program
    """

    hosts: frozenset[str] = frozenset()
    size: int = 20 * 2**20
    pixels: int = 40_000_000
    count: int = 64
    fetch: float = 10.0
    decode: float = 20.0
    seconds: float = 60.0
    workers: int = 2
    waiting: int = 64
    memory: int = 2**30
