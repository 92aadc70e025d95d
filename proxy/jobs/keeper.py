"""What jobs need of the store of artifacts."""

from collections.abc import Sequence
from typing import Protocol

from contract.artifacts import Sidecar
from proxy.artifacts.facts import Facts


class Keeper(Protocol):
    """Where pictures and clips are kept. Every method raises ApiError: 404, 413, 507."""

    async def keep(self, owner: str, content: Sequence[bytes], facts: Facts) -> str:
        """A content in pieces -> the artifact's id: its bytes are on the disk when this returns."""

    async def read(self, owner: str, artifact_id: str) -> bytes:
        """The whole content, verified."""

    async def remove(self, owner: str, artifact_id: str) -> None:
        """What is not there is removed already."""

    async def find(self, owner: str, model: str, filename: str) -> Sidecar | None:
        """What this model made last under this name; None where that is not among the newest."""

    async def require_picture(self, owner: str, artifact_id: str, param: str) -> str:
        """The id of a picture of the owner's, by an artifact's or a file's id."""
