"""The wire types of files and of uploads in parts, as OpenAI's SDK speaks of them. Times are seconds since 1970.

GET    /v1/files                    -> FilePage
POST   /v1/files                    -> FileView
GET    /v1/files/{id}               -> FileView
DELETE /v1/files/{id}               -> FileDeleted
POST   /v1/uploads                  UploadWish -> UploadView
GET    /v1/uploads/{id}             -> UploadStatus
POST   /v1/uploads/{id}/parts       -> UploadPart
POST   /v1/uploads/{id}/complete    UploadCompletion -> UploadView
POST   /v1/uploads/{id}/cancel      -> UploadView
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.artifacts import ArtifactId, Whole

UPLOAD_PATTERN = r"^upload_[0-9a-f]{32}$"
PART_PATTERN = r"^part_[0-9a-f]{32}$"
MOST_SECONDS = 10 * 365 * 86_400  # that a file may be asked to stay

Purpose = Literal["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/\\\x00-\x1f\x7f]+$")]
UploadId = Annotated[str, Field(pattern=UPLOAD_PATTERN)]
PartId = Annotated[str, Field(pattern=PART_PATTERN)]


class FileView(BaseModel):
    """`expires_at`: when it may be removed; null: never."""

    id: ArtifactId
    object: Literal["file"] = "file"
    bytes: Whole
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None


class FilePage(BaseModel):
    object: Literal["list"] = "list"
    data: list[FileView]
    has_more: bool
    first_id: ArtifactId | None
    last_id: ArtifactId | None


class FileDeleted(BaseModel):
    id: ArtifactId
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class Asked(BaseModel):
    """A request's body: no text for a number, no field that is not here."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExpiresAfter(Asked):
    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)]


class UploadWish(Asked):
    """What is to come; `bytes` of it in all."""

    bytes: Annotated[int, Field(ge=0, le=2**60)]
    filename: Name
    mime_type: Annotated[str, Field(max_length=128)]
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class UploadCompletion(Asked):
    """The parts in the file's order; `md5` of the whole, in hex."""

    part_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100_000)]
    md5: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None


class UploadView(BaseModel):
    """`expires_at`: when an upload that is not over is forgotten; `file`: what came of it."""

    id: UploadId
    object: Literal["upload"] = "upload"
    bytes: Whole
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled"]
    file: FileView | None = None


class PartView(BaseModel):
    id: PartId
    object: Literal["upload.part"] = "upload.part"
    bytes: Whole


class UploadStatus(UploadView):
    """And which parts have come: what an upload that broke off goes on from."""

    parts: list[PartView]


class UploadPart(BaseModel):
    id: PartId
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: UploadId
