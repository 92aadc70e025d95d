"""A job and how it stands -> what its caller is told."""

from collections.abc import Callable, Sequence
from typing import Any

from contract.jobs import ImageJob, ImageJobPicture, JobError, JobPage, JobStatus, VideoJob
from proxy.jobs.job import VIDEO, Job
from proxy.jobs.standing import Standing, Told

# An artifact's id -> where its bytes are.
Address = Callable[[str], str]


def view_of(told: Told, address: Address) -> VideoJob | ImageJob:
    """What GET tells of a job."""
    job, standing = told
    common = _common(job) | (_live(standing) if standing is not None else {})
    return _video(job, common) if job.kind == VIDEO else _image(job, common, address)


def page_of(views: Sequence[VideoJob | ImageJob], limit: int) -> JobPage:
    """Views of one more job than was asked for, if there are so many -> the page."""
    shown, has_more = list(views[:limit]), len(views) > limit
    first = shown[0].id if shown else None
    return JobPage(data=shown, first_id=first, last_id=shown[-1].id if has_more else None, has_more=has_more)


def _common(job: Job) -> dict[str, Any]:
    failure, outcome = job.failure, job.outcome
    seed = outcome.seeds[0] if outcome is not None and outcome.seeds else job.request.get("seed")
    return {
        "id": job.id,
        "model": job.model,
        "status": job.status,
        "progress": 100 if job.status is JobStatus.COMPLETED else 0,
        "created_at": job.created,
        "completed_at": job.completed,
        "expires_at": job.expires,
        "prompt": job.prompt or None,
        "error": JobError(**{name: getattr(failure, name) for name in JobError.model_fields}) if failure else None,
        "runs": job.runs,
        "restarted": job.runs > 1 or (job.runs == 1 and job.status is JobStatus.QUEUED),
        "seed": seed,
    }


def _live(standing: Standing) -> dict[str, Any]:
    return {
        "progress": standing.percent,
        "stage": standing.stage,
        "step": standing.step or None,
        "steps": standing.steps or None,
        "position": standing.position,
        "waits_for": standing.waits_for,
    }


def _video(job: Job, common: dict[str, Any]) -> VideoJob:
    outcome = job.outcome
    own: dict[str, Any] = {"seconds": job.seconds, "size": job.size}
    if outcome is not None:
        own = {
            "seconds": f"{outcome.seconds:g}",
            "size": outcome.size,
            "fps": outcome.fps,
            "frames": outcome.frames,
            "artifact_id": outcome.artifacts[0],
            "ignored": list(outcome.ignored),
        }
    links = {"keyframe_id": job.keyframe, "reference_id": job.reference, "remixed_from_video_id": job.remix_of}
    return VideoJob(**common, **own, **links)


def _image(job: Job, common: dict[str, Any], address: Address) -> ImageJob:
    outcome = job.outcome
    if outcome is None:
        return ImageJob(**common, created=job.created, size=job.size)
    pictures = [
        ImageJobPicture(artifact_id=artifact, url=address(artifact), seed=seed)
        for artifact, seed in zip(outcome.artifacts, outcome.seeds, strict=True)
    ]
    return ImageJob(**common, created=job.created, size=outcome.size, data=pictures)


def header_of(standing: Standing | None) -> bytes | None:
    """The value of `openai-poll-after-ms`; None where there is nothing more to ask for."""
    return str(standing.poll_after).encode() if standing is not None else None
