"""How a job's result is made: the questions to engines, one after the other, and what is kept of their answers.

Nothing is held while something else is waited for: a keyframe is finished and stored before its video's model is asked
for.
"""

import base64
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec

from contract.artifacts import Sidecar
from contract.errors import DO_NOT_RETRY, ApiError, Origin
from contract.jobs import JobStage
from proxy.artifacts.facts import Facts
from proxy.jobs.engine import Engine, Question
from proxy.jobs.event_reader import Made
from proxy.jobs.job import Job, Outcome
from proxy.jobs.turn import Turn

VIDEOS = "/v1/videos"
FILM = "/v1/videos/generations"
PAINT = "/v1/images/generations"
MIMES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
STREAMED: Mapping[str, Any] = {"stream": True, "progress": True}


class Result(NamedTuple):
    """`variants` are pictures that belong to the job: name -> content."""

    outcome: Outcome
    variants: Mapping[str, bytes]


class Work(Protocol):
    async def make(self, turn: Turn) -> Result:
        """Everything that the job asks for, made and kept. Raises ApiError."""


class VideoWork:
    """A clip; before it a keyframe, where the model needs a picture and none was sent."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def make(self, turn: Turn) -> Result:
        job = turn.job
        found = await turn.find(job.model, _clip_name(job))
        if found is not None:
            return Result(_outcome_of(found), {})
        needs_keyframe = job.painter is not None and job.reference is None
        turn.course.planned = {JobStage.VIDEO: job.request.get("num_inference_steps") or 1}
        if needs_keyframe and job.keyframe is None:
            turn.course.planned[JobStage.KEYFRAME] = turn.course.planned[JobStage.VIDEO]
            job = await turn.change(keyframe=await self._keyframe(turn, str(job.painter)))
        picture = job.reference or job.keyframe
        content = await turn.read(picture) if picture is not None else None
        turn.enter(JobStage.VIDEO, job.model)
        made, ignored = await self._film(turn, content)
        artifact_id = await turn.keep(made.content, _facts_of_clip(job, made, picture))
        event = made.event
        outcome = Outcome(
            artifacts=(artifact_id,),
            seeds=(event.seed,),
            size=f"{event.width}x{event.height}",
            fps=event.fps,
            frames=event.frames,
            seconds=event.seconds,
            ignored=ignored,
        )
        return Result(outcome, made.variants)

    async def _keyframe(self, turn: Turn, painter: str) -> str:
        job = turn.job
        found = await turn.find(painter, _picture_name(job, 0, "png"))
        if found is not None:
            return found.id
        turn.enter(JobStage.KEYFRAME, painter)
        asked: dict[str, Any] = {"model": painter, "prompt": job.prompt, **STREAMED}
        asked |= {"size": job.shape} if job.shape is not None else {}
        asked |= {"seed": job.request["seed"]} if "seed" in job.request else {}
        question = Question(painter, PAINT, partial(msgspec.json.encode, asked), f"{job.id}-keyframe")
        made = (await self._engine.ask(question, turn.watcher))[0]
        return await turn.keep(made.content, _facts_of_picture(job, made, asked))

    async def _film(self, turn: Turn, picture: bytes | None) -> tuple[Made, tuple[str, ...]]:
        """The clip, and the parameters that its model cannot follow."""
        job = turn.job
        try:
            return await self._ask(turn, job.request, picture), ()
        except ApiError as error:
            # A model that follows the picture alone says so at once, and SDKs cannot leave the prompt out.
            if picture is None or (error.code, error.param) != ("unsupported_parameter", "prompt"):
                raise
        silent = {name: value for name, value in job.request.items() if name != "prompt"}
        return await self._ask(turn, silent, picture), ("prompt",)

    async def _ask(self, turn: Turn, request: Mapping[str, Any], picture: bytes | None) -> Made:
        job = turn.job
        asked = {"model": job.model, **request}
        question = Question(job.model, FILM, partial(_with_picture, asked, picture), job.id)
        return (await self._engine.ask(question, turn.watcher))[0]


class ImageWork:
    """Pictures, as a request for them would have got at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def make(self, turn: Turn) -> Result:
        job = turn.job
        turn.course.planned = {JobStage.IMAGE: job.request.get("num_inference_steps") or 1}
        turn.enter(JobStage.IMAGE, job.model)
        asked = {**job.request, "model": job.model, **STREAMED}
        question = Question(job.model, PAINT, partial(msgspec.json.encode, asked), job.id)
        made = await self._engine.ask(question, turn.watcher)
        artifacts = [await turn.keep(each.content, _facts_of_picture(job, each, asked)) for each in made]
        seeds = tuple(each.event.seed for each in made)
        return Result(Outcome(tuple(artifacts), seeds, made[0].event.size), {})


def _clip_name(job: Job) -> str:
    return f"{job.id}.mp4"


def _picture_name(job: Job, index: int, output_format: str) -> str:
    return f"{job.id}-{index}.{output_format}"


def _outcome_of(clip: Sidecar) -> Outcome:
    """What is known of a clip that was kept before."""
    seconds, fps = clip.duration or 0.0, round(clip.fps or 0)
    size = f"{clip.width}x{clip.height}"
    return Outcome((clip.id,), (clip.seed,), size, fps, round(seconds * fps), seconds)


def _with_picture(asked: Mapping[str, Any], picture: bytes | None) -> bytes:
    if picture is None:
        return msgspec.json.encode(asked)
    return msgspec.json.encode({**asked, "image": base64.b64encode(picture).decode()})


def _facts_of_clip(job: Job, made: Made, picture: str | None) -> Facts:
    event = made.event
    if made.head[4:8] != b"ftyp":
        message = "The engine's answer cannot be used: its clip is no MP4 file."
        raise ApiError(502, "engine_error", message, origin=Origin.ENGINE, headers=DO_NOT_RETRY)
    return Facts(
        mime="video/mp4",
        filename=_clip_name(job),
        model=job.model,
        revision=event.revision,
        prompt=job.prompt or None,
        seed=event.seed,
        steps=event.steps,
        guidance=event.guidance,
        scheduler=event.scheduler,
        width=event.width,
        height=event.height,
        duration=event.seconds,
        fps=event.fps,
        parents=(picture,) if picture is not None else (),
        endpoint=VIDEOS,
        request=dict(job.request),
        poster=made.variants.get("thumbnail"),
    )


def _facts_of_picture(job: Job, made: Made, asked: Mapping[str, Any]) -> Facts:
    event = made.event
    return Facts(
        mime=MIMES.get(event.output_format, "image/png"),
        filename=_picture_name(job, event.index, event.output_format),
        model=str(asked["model"]),
        revision=event.revision,
        prompt=job.prompt or None,
        seed=event.seed,
        steps=event.steps,
        guidance=event.guidance,
        scheduler=event.scheduler,
        endpoint=PAINT,
        request={name: value for name, value in asked.items() if name not in STREAMED},
    )
