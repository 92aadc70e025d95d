"""A job and how it stands -> what its caller is told."""

from collections.abc import Callable, Sequence
from typing import Any

from contract.jobs import ImageJob, ImageJobPicture, JobError, JobPage, JobStatus, VideoJob
from proxy.jobs.desk import Standing
from proxy.jobs.job import VIDEO, Job

# A model's name -> what a request for it waits for now, in words.
Words = Callable[[str], str]
# An artifact's id -> where its bytes are.
Address = Callable[[str], str]


def view_of(job: Job, standing: Standing, words: Words, address: Address) -> VideoJob | ImageJob:
    """What GET tells of a job."""
    common = _common(job) | (_live(job, standing, words) if not job.is_over else {})
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
        "prompt": job.prompt or None,
        "error": JobError(**{name: getattr(failure, name) for name in JobError.model_fields}) if failure else None,
        "runs": job.runs,
        "restarted": job.runs > 1 or (job.runs == 1 and job.status is JobStatus.QUEUED),
        "seed": seed,
    }


def _live(job: Job, standing: Standing, words: Words) -> dict[str, Any]:
    course, position = standing
    if course is None:
        return {}
    if job.status is not JobStatus.IN_PROGRESS or not course.step:
        asked = course.asked or job.model
        waits_for = words(asked) if not position else _turn(job.model, position)
    else:
        waits_for = None
    return {
        "progress": course.percent,
        "stage": course.stage,
        "step": course.step or None,
        "steps": course.steps or None,
        "position": position,
        "waits_for": waits_for,
    }


def _turn(model: str, position: int) -> str:
    return f"its turn, after {position} job{'s' * (position > 1)} of '{model}'"


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


def header_of(job: Job, standing: Standing) -> bytes | None:
    """The value of `openai-poll-after-ms`; None where there is nothing more to ask for."""
    if job.is_over or standing.course is None:
        return None
    return str(standing.course.poll_after(standing.position)).encode()
