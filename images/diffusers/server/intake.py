"""A request's body -> its typed fields and its files, whichever way they came."""

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from contract.images import DiffusionRequest
from images.diffusers.server import bodies, form_fields, forms, requests
from images.diffusers.server.errors import invalid, refused, unsupported
from images.diffusers.server.planning import Uploads

R = TypeVar("R", bound=DiffusionRequest)
JSON, FORM = "application/json", "multipart/form-data"


@dataclass(frozen=True)
class Asked(Generic[R]):
    """`extras` are numbers that single model families know."""

    request: R
    extras: dict[str, float]
    uploads: Uploads


@dataclass(frozen=True)
class Intake(Generic[R]):
    """What an endpoint takes. `pictures` are the names of its file parts, `mask` whether that is one of them."""

    kind: type[R]
    media_types: tuple[str, ...]
    extra: frozenset[str]
    pictures: frozenset[str] = frozenset()
    mask: bool = False

    async def read(self, scope: Scope, receive: Receive) -> Asked[R]:
        """Raises ApiError 400, 413 and 415, ClientLeft."""
        media_type = bodies.require(scope, *self.media_types)
        if media_type == JSON:
            fields = bodies.json_object(await bodies.read(scope, receive, bodies.JSON_MOST))
            return Asked(*requests.parse(self.kind, fields, self.extra), Uploads())
        body = await bodies.read(scope, receive, bodies.FORM_MOST)
        form = await asyncio.to_thread(forms.parse, Headers(scope=scope)["content-type"], body)
        kinds = requests.kinds_of(self.kind, self.extra)
        uploads = self._uploads(form)
        fields = form_fields.fields_of(form, kinds)
        return Asked(*requests.parse(self.kind, fields, self.extra), uploads)

    def _uploads(self, form: forms.Form) -> Uploads:
        images: list[bytes] = []
        masks: list[bytes] = []
        names: list[str] = []
        for name, data in form.files:
            if name in self.pictures:
                images.append(data)
                names.append(name)
            elif name == "mask" and self.mask:
                masks.append(data)
            elif name in requests.NEVER:
                raise unsupported(name, f"{name} cannot be honoured here. {requests.NEVER[name]}")
            else:
                raise refused("unknown_parameter", f"There is no file {name} here.", name)
        _check(names, masks)
        return Uploads(tuple(images), masks[0] if masks else None, names[0].removesuffix("[]") if names else "image")


def _check(names: list[str], masks: list[bytes]) -> None:
    """One name for all pictures, and `image[]` for several."""
    if len(masks) > 1:
        raise invalid("mask", "mask stands twice; send it once.")
    if len(names) > 1 and set(names) != {"image[]"}:
        raise invalid(names[-1], "Several pictures are sent as image[], each in a part of its own.")
