"""What is made and kept: the sidecar that stands beside each artifact's bytes, and how `/v1/artifacts` tells of it.

GET    /v1/artifacts                    -> ArtifactPage
POST   /v1/artifacts                    -> ArtifactView
GET    /v1/artifacts/{id}               -> ArtifactView
DELETE /v1/artifacts/{id}               -> ArtifactDeleted
POST   /v1/artifacts/{id}/reproduce     -> Reproduced, or Reproducing
GET, PUT /v1/artifacts/preferences      -> ArtifactPreferences
POST   /admin/artifacts/scrub           -> DamagedArtifact, one a line
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

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


class ArtifactView(BaseModel):
    """An artifact as its owner sees it: the sidecar's fields, and how it stands. Times are seconds since 1970.

    expires_at: when it may be removed; null: never
    children: what was made from it; same_bytes: the owner's others with the same bytes
    status, trouble: `degraded`, and why, where what stands on the disk is not what was kept
    content_url, thumbnail_url: paths on this server, which open without a key for a while where keys are asked for
    In a list `request` and `same_bytes` are null: an artifact that is asked for alone tells them.
    """

    model_config = ConfigDict(frozen=True)

    id: ArtifactId
    object: Literal["artifact"] = "artifact"
    created_at: float
    expires_at: float | None
    bytes: Whole
    kind: ArtifactKind
    mime: str
    filename: str | None
    sha256: Sha256
    width: Whole | None
    height: Whole | None
    duration: float | None
    fps: float | None
    model: str | None
    revision: str | None
    prompt: str | None
    seed: int | None
    steps: int | None
    guidance: float | None
    scheduler: str | None
    parents: tuple[ArtifactId, ...]
    purpose: str | None
    endpoint: str | None
    request: dict[str, Any] | None
    children: tuple[ArtifactId, ...]
    same_bytes: tuple[ArtifactId, ...] | None
    status: Literal["ready", "degraded"]
    trouble: str | None
    content_url: str
    thumbnail_url: str


class ArtifactPage(BaseModel):
    """`next` is what `after` takes for the rest; null at the end."""

    object: Literal["list"] = "list"
    data: list[ArtifactView]
    has_more: bool
    next: str | None


class ArtifactDeleted(BaseModel):
    id: ArtifactId
    object: Literal["artifact.deleted"] = "artifact.deleted"
    deleted: Literal[True] = True


class ArtifactPreferences(BaseModel):
    """`prompts`: whether what is made keeps the words, and the request, that it was made from."""

    object: Literal["artifact.preferences"] = "artifact.preferences"
    prompts: bool


class Reproduced(BaseModel):
    """The same request was answered again. `equal`: whether its first picture has the same bytes as the original."""

    object: Literal["artifact.reproduction"] = "artifact.reproduction"
    original: ArtifactId
    equal: bool
    artifact: ArtifactView


class Reproducing(BaseModel):
    """A job makes the clip again; when it is completed, each of the two names the other in `same_bytes` if equal."""

    object: Literal["artifact.reproduction"] = "artifact.reproduction"
    original: ArtifactId
    equal: None = None
    job: str


class DamagedArtifact(BaseModel):
    id: ArtifactId
    owner: str
    kind: ArtifactKind
    trouble: str
