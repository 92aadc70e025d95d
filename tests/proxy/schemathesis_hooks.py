"""What schemathesis loads beside the document: what no schema can say of requests, and what every answer must be."""

import json
import re
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.checks import CheckContext

from contract.capabilities import ENDPOINT_TYPES
from contract.catalogue import ModelType

FIELDS = {"message", "type", "param", "code", "origin"}
LEAK = re.compile(rb"traceback|\.py\b|/home/|/tmp/|0x[0-9a-f]{8}", re.IGNORECASE)
PAINTERS = frozenset({ModelType.IMAGE, ModelType.EDIT})
NAMES = ("all", "m", "alias", "org/all:1")


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """A whole number is written as one, a known model is one that serves the path, and a form's fields have names."""
    if isinstance(case.body, dict):
        body = whole(case.body)
        if body.get("model") in NAMES:
            body["model"] = "m" if ENDPOINT_TYPES.get(case.path, frozenset()) & PAINTERS else "all"
        if case.media_type == "multipart/form-data":
            body.pop("", None)
        case.body = body


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
