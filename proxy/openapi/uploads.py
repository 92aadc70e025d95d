"""The operations of `/v1/uploads`."""

from typing import Any

from contract.files import UPLOAD_PATTERN, UploadCompletion, UploadPart, UploadStatus, UploadView, UploadWish
from proxy.openapi.operation import BYTES, FORM, JSON, Bodies, Operation, Parameter, Schema

UPLOADS = "/v1/uploads"
UPLOAD_ID = Parameter("upload_id", "path", "an upload's id", {"type": "string", "pattern": UPLOAD_PATTERN})

_PART: dict[str, Any] = {
    "title": "UploadPartForm",
    "type": "object",
    "properties": {"data": BYTES},
    "required": ["data"],
    "additionalProperties": False,
}


def _verb(verb: str, summary: str, answer: Schema, request: Bodies | None = None) -> Operation:
    return Operation(
        *("POST", f"{UPLOADS}/{{upload_id}}/{verb}", summary, {200: {JSON: answer}}),
        errors=frozenset({"405", "409", "413", "507"}),
        request=request or {},
        parameters=(UPLOAD_ID,),
        route=f"{UPLOADS}/*",
    )


UPLOAD_OPERATIONS = (
    Operation(
        *("POST", UPLOADS, "A file is announced that comes in parts.", {200: {JSON: UploadView}}),
        errors=frozenset({"409", "507"}),
        request={JSON: UploadWish},
    ),
    Operation(
        *("GET", f"{UPLOADS}/{{upload_id}}", "An upload, and which parts have come.", {200: {JSON: UploadStatus}}),
        errors=frozenset({"405"}),
        parameters=(UPLOAD_ID,),
        route=f"{UPLOADS}/*",
    ),
    _verb("parts", "A part, in any order.", UploadPart, {FORM: _PART}),
    _verb("complete", "All parts have come: they become a file.", UploadView, {JSON: UploadCompletion}),
    _verb("cancel", "What has come is forgotten.", UploadView),
)
