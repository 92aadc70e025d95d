"""A request for a clip -> the job that will make it: read, admitted, and the picture that came with it kept."""

import time
from functools import partial
from typing import Any

import msgspec

from contract.catalogue import ModelEntry
from contract.errors import DO_NOT_RETRY, ApiError
from contract.prompts import says_something
from proxy.access.admission import NOTHING, key_of, owner_of
from proxy.artifacts.facts import Facts
from proxy.course import Course
from proxy.endpoints._again import deleted
from proxy.endpoints._form import require_form
from proxy.endpoints._generation import require_json
from proxy.endpoints._video_fields import REFERENCES, Reference, VideoWish, wish_of_form, wish_of_json
from proxy.gateway.asgi import MODEL, Message, Receive, Scope, headers_of
from proxy.gateway.body import read_body
from proxy.gateway.form_parts import FormParts
from proxy.gateway.headers import is_form
from proxy.gateway.peek import peek
from proxy.gateway.tally import Tally
from proxy.jobs.artifact_keeper import FILE_NOT_FOUND
from proxy.jobs.job import VIDEO, Job, new_id
from proxy.jobs.standing import Told
from proxy.services import Services

PATH = "/v1/videos"
REFERENCE = "input_reference"
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg"}


class VideoIntake:
    """Raises ApiError throughout, before anything is kept where it can be known then."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def read(self, scope: Scope, receive: Receive) -> VideoWish:
        """A multipart form, as SDKs send it, or JSON."""
        content_type = headers_of(scope).get(b"content-type")
        if not is_form(content_type):
            require_json(content_type)
            body = await read_body(scope, receive, self._services.upload_size)
            peek(body)
            return wish_of_json(msgspec.json.decode(body, type=dict[str, Any]))
        parts = FormParts(require_form(content_type), REFERENCES)

        async def scanned() -> Message:
            message = await receive()
            parts.feed(message.get("body", b""))
            return message

        await read_body(scope, scanned, self._services.upload_size)
        parts.end()
        return wish_of_form(parts.fields, parts.files)

    async def create(self, scope: Scope, wish: VideoWish, remix_of: Job | None = None) -> Told:
        """The job, handed in."""
        services, owner = self._services, owner_of(scope)
        directory = services.feed.directory or await services.feed.get()
        model = scope[MODEL] = directory.choose(PATH, wish.model)
        entry = directory.catalogue.models[model]
        ticket = services.access.admit(scope, model, lambda: NOTHING)
        with Course(PATH, model, ticket, Tally(), services.meter):
            await services.jobs.require_room(owner, model)
            _require_prompt(wish, entry)
            reference = await self._kept(owner, wish.reference)
            job = _job(owner, model, wish, entry)
            links = {"reference": reference, "remix_of": remix_of.id if remix_of is not None else None}
            return await services.jobs.create(msgspec.structs.replace(job, key=key_of(scope), **links))

    async def create_again(self, scope: Scope, wish: VideoWish, remix_of: Job | None = None) -> Told:
        """The job that makes a clip once more, of a picture that nobody but us has named.

        Raises ApiError (409) where that was deleted.
        """
        try:
            return await self.create(scope, wish, remix_of)
        except ApiError as error:
            if error.code != FILE_NOT_FOUND or wish.reference is None:
                raise
            raise deleted(str(wish.reference.artifact)) from error

    async def _kept(self, owner: str, reference: Reference | None) -> str | None:
        """The artifact of the picture that a request brings."""
        if reference is None:
            return None
        if reference.artifact is not None:
            return await self._services.keeper.require_picture(owner, reference.artifact, REFERENCE)
        media = self._services.media
        if reference.content is not None:
            mime, content = await media.picture(reference.content, REFERENCE)
        else:
            mime, content = await media.picture_at(str(reference.url), REFERENCE)
        facts = Facts(mime=mime, filename=REFERENCE + SUFFIXES.get(mime, ""), purpose="vision")
        return await self._services.keeper.keep(owner, (content,), facts)


def _job(owner: str, model: str, wish: VideoWish, entry: ModelEntry) -> Job:
    fields = wish.fields
    size = fields.get("size")
    shape = size or entry.defaults.get("size")
    return Job(
        id=new_id(VIDEO),
        kind=VIDEO,
        owner=owner,
        model=model,
        created=int(time.time()),
        request=fields,
        painter=entry.keyframe,
        shape=str(shape) if shape is not None else None,
        seconds=_seconds(fields, entry),
        size=str(shape or "auto"),
    )


def _seconds(fields: dict[str, Any], entry: ModelEntry) -> str:
    """How long it is to be, as far as anybody knows before it is made."""
    if "seconds" in fields:
        return f"{fields['seconds']:g}"
    find = partial(_either, fields, entry)
    frames, fps = find("num_frames"), find("fps")
    return f"{frames / fps:g}" if frames and fps else ""


def _either(fields: dict[str, Any], entry: ModelEntry, name: str) -> float | None:
    value = fields.get(name, entry.defaults.get(name))
    return value if isinstance(value, int | float) else None


def _require_prompt(wish: VideoWish, entry: ModelEntry) -> None:
    if not says_something(str(wish.fields.get("prompt", ""))) and wish.reference is None:
        what = "the picture that the clip begins with" if entry.keyframe is not None else "the clip"
        message = f"'prompt' is missing: say what {what} is to show, or send a picture as input_reference."
        raise ApiError(400, "missing_required_parameter", message, param="prompt", headers=DO_NOT_RETRY)
