"""What is made and kept: the sidecar that stands beside each artifact's bytes, and that the index is made of."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

VERSION = 1
ID_PATTERN = r"^art_[0-9a-f]{32}$"

ArtifactId = Annotated[str, Field(pattern=ID_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Whole = Annotated[int, Field(ge=0)]


class ArtifactKind(StrEnum):
    """What an artifact is for its reader; each kind has a folder of its own."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    PLOT = "plot"
    TABLE = "table"
    FILE = "file"


class Sidecar(BaseModel):
    """All that is known of one artifact. What nobody said is null.

    version: of this form; a reader knows its own and those before it
    owner: whose it is; "" where no key was asked for
    size: bytes of the content; sha256: of them all; blocks: of the file that holds the digests of a large content's
        blocks
    created, expires: seconds since 1970
    width, height: pixels; duration: seconds; fps: frames a second
    revision: the commit or digest of the weights that made it
    parents: the artifacts that it was made from
    purpose: of an uploaded file, in the words of `/v1/files`; null for what was made here
    endpoint, request: the request that made it, enough to make it again; without what is too large to keep
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    id: ArtifactId
    owner: str
    kind: ArtifactKind
    mime: str
    filename: str | None = None
    size: Whole
    sha256: Sha256
    blocks: Sha256 | None = None
    created: float
    expires: float | None = None
    width: Whole | None = None
    height: Whole | None = None
    duration: float | None = None
    fps: float | None = None
    model: str | None = None
    revision: str | None = None
    prompt: str | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    parents: tuple[ArtifactId, ...] = ()
    purpose: str | None = None
    endpoint: str | None = None
    request: dict[str, Any] | None = None
