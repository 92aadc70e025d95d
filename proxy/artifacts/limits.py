"""How much the store keeps, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreLimits:
    """Bytes and seconds; None: as much as there is.

    size: one artifact
    quota: all artifacts of one owner; space: all artifacts of all
    count: artifacts of one owner
    lifetime: an artifact is removed so long after it was made, if nothing else was said of it
    address: an address with a signature is good for so long
    """

    size: int = 4 * 2**30
    quota: int | None = None
    space: int | None = None
    count: int | None = None
    lifetime: float | None = None
    address: float = 3600.0
