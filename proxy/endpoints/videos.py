"""Clips as jobs, as the OpenAI SDK speaks of them: asked for, looked after, fetched, remixed, removed.

POST   /v1/videos                  a form or JSON -> the job
GET    /v1/videos                  `after`, `limit`, `order`
GET    /v1/videos/{id}             `openai-poll-after-ms` says when asking again is worth it
GET    /v1/videos/{id}/content     `variant`: video, thumbnail, spritesheet
POST   /v1/videos/{id}/remix       another prompt, all else the same
DELETE /v1/videos/{id}             calls off what is not over, and removes what was made
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from contract.errors import DO_NOT_RETRY, ApiError
from contract.jobs import JobStatus, VideoDeleted
from contract.prompts import says_something
from proxy.endpoints._content import INERT, picture_type, send_content
from proxy.endpoints._generation import require_json
from proxy.endpoints._jobs import JobTeller, answer, find_job, nothing_at
from proxy.endpoints._query import query_of, text_in
from proxy.endpoints._video_fields import Reference, VideoWish, wish_of_json
from proxy.endpoints._video_intake import PATH, VideoIntake
from proxy.gateway.asgi import Receive, Scope, Send, headers_of, respond
from proxy.gateway.body import read_body
from proxy.gateway.peek import peek
from proxy.jobs.job import VIDEO, Job
from proxy.openapi.jobs import VIDEO_OPERATIONS
from proxy.router import REST, Route
from proxy.services import Services

OPERATIONS = VIDEO_OPERATIONS

REMIX_SIZE = 2**20
NOT_HERE: Mapping[str, str] = MappingProxyType(
    {
        "edits": "Clips cannot be edited here; POST /v1/videos/{id}/remix makes one anew with another prompt.",
        "extensions": "Clips cannot be extended here; ask for a longer one with seconds.",
        "characters": "Characters are not kept here; send a picture as input_reference.",
    }
)


class Videos:
    """`/v1/videos`. Raises ApiError."""

    def __init__(self, services: Services) -> None:
        self._intake = VideoIntake(services)
        self._teller = JobTeller(services)

    async def create(self, scope: Scope, receive: Receive, send: Send) -> None:
        wish = await self._intake.read(scope, receive)
        await self._teller.one(scope, send, await self._intake.create(scope, wish))

    async def list(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._teller.page(scope, send, VIDEO)


class Video:
    """`/v1/videos/{id}` and what is below it. Raises ApiError."""

    def __init__(self, services: Services) -> None:
        self._jobs = services.jobs
        self._artifacts = services.artifacts
        self._intake = VideoIntake(services)
        self._teller = JobTeller(services)

    async def get(self, scope: Scope, receive: Receive, send: Send) -> None:
        told, verb = await find_job(self._jobs, scope, VIDEO)
        if verb == "":
            await self._teller.one(scope, send, told)
        elif verb == "content":
            await self._content(scope, send, told.job)
        else:
            raise nothing_at(scope)

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope[REST] in NOT_HERE:
            raise ApiError(400, "not_supported", NOT_HERE[scope[REST]], headers=DO_NOT_RETRY)
        (job, _), verb = await find_job(self._jobs, scope, VIDEO)
        if verb != "remix":
            raise nothing_at(scope)
        require_json(headers_of(scope).get(b"content-type"))
        body = await read_body(scope, receive, REMIX_SIZE)
        peek(body)
        wish = _remixed(job, msgspec.json.decode(body, type=dict[str, object]))
        await self._teller.one(scope, send, await self._intake.create_again(scope, wish, job))

    async def delete(self, scope: Scope, receive: Receive, send: Send) -> None:
        (job, _), verb = await find_job(self._jobs, scope, VIDEO)
        if verb:
            raise nothing_at(scope)
        await self._jobs.remove(job.owner, job.id)
        await answer(send, VideoDeleted(id=job.id))

    async def _content(self, scope: Scope, send: Send, job: Job) -> None:
        outcome = job.outcome
        if job.status is not JobStatus.COMPLETED or outcome is None:
            message = f"The video is {job.status.value}; its content is there once it is completed."
            raise ApiError(409, "video_not_ready", message, headers=DO_NOT_RETRY)
        clip = outcome.artifacts[0]
        match text_in(query_of(scope), "variant"):
            case None | "video":
                await send_content(scope, send, await self._artifacts.content(job.owner, clip))
            case "thumbnail":
                await _send_picture(send, await self._artifacts.thumbnail(job.owner, clip))
            case "spritesheet":
                await _send_picture(send, await self._spritesheet(job))
            case _:
                message = "'variant' is video, thumbnail or spritesheet."
                raise ApiError(400, "invalid_value", message, param="variant")

    async def _spritesheet(self, job: Job) -> bytes:
        content = await self._jobs.variant(job.id, "spritesheet")
        if content is None:
            message = "The engine that made this video gave no spritesheet."
            raise ApiError(404, "no_spritesheet", message, param="variant")
        return content


async def _send_picture(send: Send, content: bytes) -> None:
    await respond(send, 200, picture_type(content), content, INERT)


def _remixed(job: Job, document: Mapping[str, object]) -> VideoWish:
    """The same request with another prompt, the picture that was sent with the first, and the seed that made it.

    Raises ApiError (400), also where the prompt says nothing: a picture to begin with makes up for none here.
    """
    said = wish_of_json(document)
    if set(document) != {"prompt"} or "prompt" not in said.fields:
        wrong = next((name for name in document if name != "prompt"), "prompt")
        raise ApiError(400, "invalid_value", "A remix takes a 'prompt' and nothing else.", param=wrong[:64])
    if not says_something(str(said.fields["prompt"])):
        message = "'prompt' is empty: a remix is the same clip with another prompt, so say what it is to show."
        raise ApiError(400, "missing_required_parameter", message, param="prompt", headers=DO_NOT_RETRY)
    seeds = job.outcome.seeds if job.outcome is not None else ()
    seed = {"seed": seeds[0]} if seeds and seeds[0] is not None else {}
    picture = Reference(artifact=job.reference) if job.reference is not None else None
    return VideoWish(job.model, {**job.request, **seed, **said.fields}, picture)


def routes(services: Services) -> tuple[Route, ...]:
    videos, video = Videos(services), Video(services)
    return (
        Route("POST", PATH, videos.create),
        Route("GET", PATH, videos.list),
        Route("GET", f"{PATH}/*", video.get, rest="[^/]+(/content)?"),
        Route("POST", f"{PATH}/*", video.post, rest=f"[^/]+/remix|{'|'.join(NOT_HERE)}"),
        Route("DELETE", f"{PATH}/*", video.delete, rest="[^/]+"),
    )
