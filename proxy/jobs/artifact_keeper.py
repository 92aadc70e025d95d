"""The store of artifacts as jobs use it."""

from collections.abc import AsyncIterator, Sequence

from contract.artifacts import ArtifactKind, Sidecar
from contract.errors import ApiError
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.store import ArtifactStore

FILE_NOT_FOUND = "file_not_found"


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class ArtifactKeeper:
    """A Keeper."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def keep(self, owner: str, content: Sequence[bytes], facts: Facts) -> str:
        return (await self._store.add(owner, _each(content), facts)).id

    async def read(self, owner: str, artifact_id: str) -> bytes:
        return await (await self._store.content(owner, artifact_id)).read_all()

    async def remove(self, owner: str, artifact_id: str) -> None:
        await self._store.delete(owner, artifact_id)

    async def find(self, owner: str, model: str, filename: str) -> Sidecar | None:
        page = await self._store.list(owner, Query(model=model))
        return next((entry.sidecar for entry in page.items if entry.sidecar.filename == filename), None)

    async def require_picture(self, owner: str, artifact_id: str, param: str) -> str:
        """Raises ApiError (400) for what is no picture of the owner's."""
        try:
            found = await self._store.get(owner, artifact_id)
        except ApiError as error:
            if error.status != 404:
                raise
            message = f"There is no file '{artifact_id[:64]}'."
            raise ApiError(400, FILE_NOT_FOUND, message, param=param) from error
        if found.kind is not ArtifactKind.IMAGE:
            message = f"'{artifact_id}' is of kind {found.kind}; a clip begins with a picture."
            raise ApiError(400, "invalid_value", message, param=param)
        return found.id
