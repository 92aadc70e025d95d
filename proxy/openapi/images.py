"""The operations of `/v1/images`: what the engine answers, and what the proxy does with it.

Every picture becomes an artifact of the caller's; where the caller wants addresses, the answer tells where it is.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, RootModel

from contract.images import EditRequest, GenerationRequest, ImagesResponse, VariationRequest
from contract.jobs import ImageJob
from proxy.openapi.operation import FORM, JSON, REFERENCE, Operation
from proxy.openapi.rows import READ_FIELDS, fields_of, form_row, json_row

GENERATIONS = "/v1/images/generations"
FORMS = ("/v1/images/edits", "/v1/images/variations")

KEPT = "Each is kept as an artifact."
RESPONSE_FORMAT: Mapping[str, Any] = {
    "enum": ["b64_json", "url"],
    "default": "b64_json",
    "description": "`url`: the answer names the artifacts, which open without a key for a while",
}
BACKGROUND: Mapping[str, Any] = {
    "enum": ["opaque", "auto", True, None],
    "description": "what is behind what a picture shows; `true`: a job makes it, and the answer is that job",
}


class _Pictures(RootModel[ImagesResponse]):
    """The answer to a request for pictures."""


class _PicturesOrJob(RootModel[ImagesResponse | ImageJob]):
    """The answer to a request for pictures, or the job that makes them."""


def _answer(kind: type[BaseModel], title: str) -> dict[str, Any]:
    """And the same with addresses in place of the pictures."""
    schema = kind.model_json_schema(ref_template=REFERENCE)
    known = schema["$defs"]
    picture, pictures = deepcopy(known["PictureData"]), deepcopy(known["ImagesResponse"])
    picture["properties"]["url"] = {"type": "string", "format": "uri"}
    del picture["properties"]["b64_json"]
    picture["required"] = ["url" if name == "b64_json" else name for name in picture["required"]]
    pictures["properties"]["data"]["items"] = {"$ref": REFERENCE.format(model="PictureAt")}
    known |= {"PictureAt": {**picture, "title": "PictureAt"}, "ImagesAt": {**pictures, "title": "ImagesAt"}}
    names = ["ImagesResponse", "ImagesAt", *(["ImageJob"] if "ImageJob" in known else [])]
    return {"title": title, "$defs": known, "anyOf": [{"$ref": REFERENCE.format(model=name)} for name in names]}


def _generation() -> Operation:
    body = fields_of(GenerationRequest, READ_FIELDS)
    either = {"anyOf": [RESPONSE_FORMAT, {"type": "null"}]}
    body["properties"] = {**body["properties"], "response_format": either, "background": BACKGROUND}
    row = json_row(GENERATIONS, f"Pictures of words. {KEPT}", answer=_answer(_PicturesOrJob, "PicturesOrJob"))
    poll = ("openai-poll-after-ms",)
    return replace(row, request={JSON: body}, errors=row.errors | {"507"}, headers=poll)


def _form(path: str, summary: str, files: tuple[str, ...], request: type[BaseModel]) -> Operation:
    row = form_row(path, f"{summary} {KEPT}", files, request=request, answer=_answer(_Pictures, "Pictures"))
    body: dict[str, Any] = dict(row.request[FORM])  # type: ignore[arg-type]
    body["properties"] = {**body["properties"], "response_format": RESPONSE_FORMAT}
    return replace(row, request={FORM: body}, errors=row.errors | {"507"})


IMAGE_OPERATIONS = (
    _generation(),
    _form(FORMS[0], "A picture changed.", ("image", "mask"), EditRequest),
    _form(FORMS[1], "A picture varied.", ("image",), VariationRequest),
)
