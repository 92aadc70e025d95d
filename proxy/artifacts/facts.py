"""What is told to the store, and what it tells."""

from dataclasses import dataclass
from typing import Any

from contract.artifacts import ArtifactKind, Sidecar

PAGE = 20
MOST_PER_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an artifact before it is kept; all of it is as in `Sidecar`.

    kind, mime: None: what its bytes look like
    poster: a small picture (WebP, PNG or JPEG) that stands for it; None: one is made of a picture when it is asked for
    lifetime: seconds after which it may be removed, None: the store's own
    """

    kind: ArtifactKind | None = None
    mime: str | None = None
    filename: str | None = None
    model: str | None = None
    revision: str | None = None
    prompt: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None
    parents: tuple[str, ...] = ()
    purpose: str | None = None
    endpoint: str | None = None
    request: dict[str, Any] | None = None
    poster: bytes | None = None
    lifetime: float | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What of an owner's artifacts is wanted. None: no matter which.

    text: words, all of which stand in the prompt or the file's name; the last may be unfinished
    since, until: seconds since 1970; from, and before
    after: the cursor of a page, or the id of the last artifact of the page before
    uploaded: those that were uploaded, or those that were made here
    """

    kinds: tuple[ArtifactKind, ...] = ()
    model: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    purpose: str | None = None
    uploaded: bool | None = None
    oldest_first: bool = False
    limit: int = PAGE
    after: str | None = None


@dataclass(frozen=True)
class Entry:
    """One artifact.

    children: what was made from it; same: others of its owner's with the same bytes, where one alone is asked for
    trouble: why what stands on the disk is not what was kept, None while it is
    """

    sidecar: Sidecar
    children: tuple[str, ...] = ()
    trouble: str | None = None
    same: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """Some of what was asked for. `next`: the cursor of the rest, None at the end."""

    items: tuple[Entry, ...]
    next: str | None
