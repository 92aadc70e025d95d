"""A store in a folder of a test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from proxy.access.signed import Signatures
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.lookup import IndexSource
from proxy.artifacts.postgres.source import PostgresSource
from proxy.artifacts.store import ArtifactStore
from proxy.media.decoder import Decoder
from proxy.media.limits import MediaLimits
from tests.harness.postgres import server_at
from tests.proxy.artifacts.buckets import folder_of, names_in_bucket

ME, YOU = "me", "you"


@asynccontextmanager
async def shop(root: Path, **limits: Any) -> AsyncIterator[ArtifactStore]:  # noqa: ANN401
    """An open store. Its index is in a database where `note_index` says so,
    its files in a bucket where `bucket` or `place` does.
    """
    decoder = Decoder(MediaLimits())
    store = ArtifactStore(
        root, StoreLimits(**limits), Signatures(), decoder, source=source_of(root), folder=folder_of(root)
    )
    await store.open()
    try:
        yield store
    finally:
        await store.close()
        await decoder.close()


def source_of(root: Path) -> IndexSource | None:
    """What keeps the index, None: a file in the folder."""
    noted = root.with_name(f"{root.name}.index")
    return PostgresSource(server_at(noted.read_text(), rest=0.0)) if noted.exists() else None


def note_index(root: Path, url: str) -> None:
    """From now on the index of a folder is in a database, for every `shop` of it."""
    root.with_name(f"{root.name}.index").write_text(url)


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
    return {path.name for path in root.glob("*/*") if path.is_file()} | names_in_bucket(root)
