"""A store in a folder of a test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from proxy.access.signed import Signatures
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.store import ArtifactStore
from proxy.media.decoder import Decoder
from proxy.media.limits import MediaLimits

ME, YOU = "me", "you"


@asynccontextmanager
async def shop(root: Path, **limits: Any) -> AsyncIterator[ArtifactStore]:  # noqa: ANN401
    """An open store."""
    decoder = Decoder(MediaLimits())
    store = ArtifactStore(root, StoreLimits(**limits), Signatures(), decoder)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
        await decoder.close()


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def ids(store: ArtifactStore, owner: str = ME, **query: Any) -> list[str]:  # noqa: ANN401
    """What an owner's listing says."""
    return [entry.sidecar.id for entry in (await store.list(owner, Query(**query))).items]


def words(prompt: str) -> Facts:
    return Facts(prompt=prompt)


def files(root: Path) -> set[str]:
    """The names of all files of artifacts, and of what is on its way in."""
    return {path.name for path in root.glob("*/*") if path.is_file()}
