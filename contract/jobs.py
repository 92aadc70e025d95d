"""The wire types of jobs: work that is asked for now and fetched later.

POST /v1/videos                     -> VideoJob, and the rest of `/v1/videos` as the OpenAI SDK speaks it
POST /v1/images/generations         with `background: true` -> ImageJob
GET /v1/jobs, /v1/jobs/{id}         both kinds
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field, RootModel


class JobStatus(StrEnum):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class JobStage(StrEnum):
    """What a job that is not over is at. A video that needs a picture and was sent none makes that `keyframe` first."""

    WAITING = "waiting"
    KEYFRAME = "keyframe"
    VIDEO = "video"
    IMAGE = "image"


class JobError(BaseModel):
    """Why a job failed: the fields of the error object."""

    code: str
    message: str
    type: str | None = None
    param: str | None = None
    origin: str | None = None


class JobView(BaseModel):
    """What every job tells. Times are seconds since 1970.

    progress: percent of the steps that are done; 100 when all is stored
    expires_at: of one that is over: when what it made, or else what is known of it, is removed
    position: how many jobs of the model are before it, and one; 0 once it is its turn; None when it is over
    step, steps: of the stage that it is at
    waits_for: what it waits for, in words
    runs: how often it was begun; 2: it was interrupted, and ran again
    """

    id: str
    model: str
    status: JobStatus
    progress: int = Field(ge=0, le=100)
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    prompt: str | None = None
    error: JobError | None = None
    stage: JobStage | None = None
    step: int | None = None
    steps: int | None = None
    position: int | None = None
    waits_for: str | None = None
    runs: int = 0
    restarted: bool = False
    seed: int | None = None


class VideoJob(JobView):
    """`seconds` and `size` are what was asked for, and once it is completed, what was made.

    artifact_id, keyframe_id, reference_id: the clip, the picture that was made for it, the one that was sent for it
    ignored: parameters that the video model cannot follow; a prompt may still have made the keyframe
    """

    object: Literal["video"] = "video"
    seconds: str
    size: str
    remixed_from_video_id: str | None = None
    fps: int | None = None
    frames: int | None = None
    artifact_id: str | None = None
    keyframe_id: str | None = None
    reference_id: str | None = None
    ignored: list[str] = []


class ImageJobPicture(BaseModel):
    artifact_id: str
    url: str
    seed: int | None = None


class ImageJob(JobView):
    object: Literal["image.job"] = "image.job"
    created: int
    size: str
    data: list[ImageJobPicture] = []


class AnyJob(RootModel[VideoJob | ImageJob]):
    """A job of either kind; `object` tells which."""


class VideoDeleted(BaseModel):
    id: str
    deleted: Literal[True] = True
    object: Literal["video.deleted", "image.job.deleted"] = "video.deleted"


class JobPage(BaseModel):
    """One page of a listing. `last_id` is None where there are no more: SDKs ask on for as long as it stands there."""

    object: Literal["list"] = "list"
    data: list[VideoJob | ImageJob]
    first_id: str | None
    last_id: str | None
    has_more: bool
