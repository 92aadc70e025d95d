"""What schemathesis loads beside the document: what no schema can say of requests, and what every answer must be."""

import json
import os
import re
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.checks import CheckContext

from contract.capabilities import ENDPOINT_TYPES
from contract.catalogue import ModelType
from tests.proxy.stocked import KNOWN

FIELDS = {"message", "type", "param", "code", "origin"}
LEAK = re.compile(rb"traceback|\.py\b|/home/|/tmp/|0x[0-9a-f]{8}", re.IGNORECASE)
PAINTERS = frozenset({ModelType.IMAGE, ModelType.EDIT})
NAMES = ("all", "m", "alias", "org/all:1", "clip")
THINGS: dict[str, list[str]] = json.loads(os.environ.get(KNOWN, "{}"))
RANGES = ("bytes=0-3", "bytes=-4", "bytes=5-", "bytes=99999-", "bytes=0-1,3-4")
ID = re.compile(r"(art|upload|video|imgjob)_[0-9a-f]{32}")
KEPT = {known[0] for known in THINGS.values() if known}
TOLD: set[str] = set()  # the ids that answers have named
NOBODY = "0" * 32


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """A whole number is written as one, a known model is one that serves the path, and a form's fields have names.

    An id that could be one is one of those that are there, if it is not of an earlier answer; a range is one that may
    be asked for.
    """
    if "range" in (case.headers or {}):
        case.headers["range"] = RANGES[len(case.headers["range"]) % len(RANGES)]
    for name, value in case.path_parameters.items():
        if name in THINGS and ID.fullmatch(str(value)):
            case.path_parameters[name] = thing(name, str(value), is_spent=case.method == "DELETE")
    if isinstance(case.body, dict):
        body = whole(case.body)
        if body.get("model") in NAMES:
            body["model"] = serving(ENDPOINT_TYPES.get(case.path, frozenset()))
        if case.media_type == "multipart/form-data":
            body.pop("", None)
        case.body = body


def serving(types: frozenset[ModelType]) -> str:
    """The model of the catalogue that is of these types."""
    if ModelType.VIDEO in types:
        return "clip"
    return "m" if types & PAINTERS else "all"


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """What an answer names may be asked for: what follows one that made something has to find that."""
    if response.content[:1] == b"{":
        TOLD.update(found[0] for found in ID.finditer(response.content.decode(errors="replace")))


def thing(name: str, value: str, *, is_spent: bool) -> str:
    """The id of one that is there: the first, or for a deletion one of the others while there are any.

    One that an answer has named stays; only the first is never deleted, since all others are asked for by its id.
    """
    known = THINGS[name]
    if value in TOLD and not (is_spent and value in KEPT):
        return value
    if not is_spent:
        return known[0]
    return known.pop() if len(known) > 1 else value[: -len(NOBODY)] + NOBODY


def whole(value: Any) -> Any:  # noqa: ANN401
    """5.0 is a whole number to a schema, and no number of ours."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {name: whole(item) for name, item in value.items()} if isinstance(value, dict) else value


@schemathesis.check
def every_answer_is_ours(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """An id on each, and of each failure the error object and nothing that is no caller's business."""
    assert response.headers.get("x-request-id"), "no x-request-id"
    assert not response.content.startswith(b'{"detail"'), "a framework's own error"
    if response.status_code >= 400 and case.method != "HEAD" and response.content:
        document = json.loads(response.content)
        assert set(document) in ({"error"}, {"type", "error"}), "not the error object"
        assert set(document["error"]) == FIELDS, "not the error object's fields"
        assert not LEAK.search(response.content), "it tells what is inside"
