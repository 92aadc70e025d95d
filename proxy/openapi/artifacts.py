"""The operations of `/v1/artifacts`."""

from dataclasses import replace
from typing import Any

from contract.artifacts import ArtifactDeleted, ArtifactKind, ArtifactPage, ArtifactView, Reproduced, Reproducing
from proxy.artifacts.facts import MOST_PER_PAGE, PAGE
from proxy.openapi.content import ARTIFACT_ID, EXPIRES, ID, ORDER, content, limit, text
from proxy.openapi.operation import BYTES, FORM, JSON, Operation, Parameter
from proxy.openapi.rows import ENGINE_ERRORS

ARTIFACTS = "/v1/artifacts"
ONE = f"{ARTIFACTS}/{{artifact_id}}"
REST = f"{ARTIFACTS}/*"

_KINDS = "|".join(ArtifactKind)
_TIME = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e12}
FILTERS = (
    text("kind", "of these kinds, with commas between them", f"^({_KINDS})(,({_KINDS}))*$"),
    text("model", "made by this model"),
    text("q", "words that all stand in the prompt or the file's name; the last may be unfinished"),
    Parameter("since", "query", "made then or later, seconds since 1970", _TIME),
    Parameter("until", "query", "made before, seconds since 1970", _TIME),
    text("purpose", "uploaded for this purpose"),
    ORDER,
    limit(MOST_PER_PAGE, PAGE),
    text("after", "`next` of the page before, or the id of the last artifact of it", f"^(c[0-9a-f]{{1,16}}|{ID})$"),
)
_FORM: dict[str, Any] = {
    "title": "ArtifactForm",
    "type": "object",
    "properties": {
        "file": BYTES,
        "kind": {"enum": [kind.value for kind in ArtifactKind], "description": "what its bytes look like, if left out"},
        "model": {"type": "string", "description": "what made it"},
        "prompt": {"type": "string", "description": "the words that it was made from"},
        "parents": {"type": "string", "description": "the ids that it was made from, with commas between them"},
        "purpose": {"type": "string", "description": "`user_data` if left out"},
    },
    "required": ["file"],
    "additionalProperties": False,
}
FIELDS = frozenset(_FORM["properties"]) - {"file"}

_THUMBNAIL = Operation(
    "GET",
    f"{ONE}/thumbnail",
    "A small picture of an artifact; 404 where there can be none.",
    {200: dict.fromkeys(("image/webp", "image/png", "image/jpeg"), BYTES)},
    errors=frozenset({"405", "507"}),
    parameters=(ARTIFACT_ID, EXPIRES),
    route=REST,
    is_signable=True,
)
_CONTENT = content(f"{ONE}/content", "An artifact's bytes.", (ARTIFACT_ID, EXPIRES))

ARTIFACT_OPERATIONS = (
    Operation("GET", ARTIFACTS, "The caller's artifacts.", {200: {JSON: ArtifactPage}}, parameters=FILTERS),
    Operation(
        *("POST", ARTIFACTS, "A file is kept.", {201: {JSON: ArtifactView}}),
        errors=frozenset({"404", "507"}),
        request={FORM: _FORM},
    ),
    Operation(
        *("GET", f"{ARTIFACTS}/export", "A ZIP of artifacts, each with its sidecar; `limit` is of no account."),
        {200: {"application/zip": BYTES}},
        parameters=FILTERS,
        headers=("content-disposition",),
    ),
    Operation(
        *("GET", ONE, "One artifact.", {200: {JSON: ArtifactView}}),
        errors=frozenset({"405"}),
        parameters=(ARTIFACT_ID,),
        route=REST,
    ),
    Operation(
        *("DELETE", ONE, "An artifact is removed; who reads it meanwhile may finish.", {200: {JSON: ArtifactDeleted}}),
        errors=frozenset({"405", "507"}),
        parameters=(ARTIFACT_ID,),
        route=REST,
    ),
    replace(_CONTENT, route=REST, is_signable=True),
    _THUMBNAIL,
    Operation(
        *(
            "POST",
            f"{ONE}/reproduce",
            "The request that made it is answered again: a picture at once, a clip as a job.",
        ),
        {200: {JSON: Reproduced}, 202: {JSON: Reproducing}},
        errors=ENGINE_ERRORS | {"405", "409", "413", "507"},
        parameters=(ARTIFACT_ID,),
        route=REST,
    ),
)
