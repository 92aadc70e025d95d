"""The operations of `/v1/files`."""

from dataclasses import replace
from typing import Any, get_args

from contract.files import MOST_SECONDS, FileDeleted, FilePage, FileView, Purpose
from proxy.artifacts.facts import MOST_PER_PAGE
from proxy.openapi.content import FILE_ID, ID, ORDER, content, limit, text
from proxy.openapi.operation import BYTES, FORM, JSON, Operation

FILES = "/v1/files"
ONE = f"{FILES}/{{file_id}}"
REST = f"{FILES}/*"
ANCHOR, SECONDS = "expires_after[anchor]", "expires_after[seconds]"
PURPOSES: tuple[str, ...] = get_args(Purpose)
MOST_ASKED = 10_000  # OpenAI's largest page; ours are smaller, and its SDK goes on to the next

FILTERS = (
    text("after", "the id of the last file of the page before", f"^{ID}$"),
    limit(MOST_ASKED, MOST_PER_PAGE),
    ORDER,
    text("purpose", "uploaded for this purpose"),
)
_FORM: dict[str, Any] = {
    "title": "FileForm",
    "type": "object",
    "properties": {
        "file": BYTES,
        "purpose": {"enum": list(PURPOSES)},
        ANCHOR: {"const": "created_at"},
        SECONDS: {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS},
    },
    "required": ["file", "purpose"],
    "dependentRequired": {ANCHOR: [SECONDS], SECONDS: [ANCHOR]},
    "additionalProperties": False,
}
FIELDS = frozenset(_FORM["properties"]) - {"file"}

FILE_OPERATIONS = (
    Operation(
        *("GET", FILES, f"The caller's files, {MOST_PER_PAGE} a page at most.", {200: {JSON: FilePage}}),
        parameters=FILTERS,
    ),
    Operation(
        *("POST", FILES, "A file is kept.", {200: {JSON: FileView}}),
        errors=frozenset({"507"}),
        request={FORM: _FORM},
    ),
    Operation(
        *("GET", ONE, "One file.", {200: {JSON: FileView}}),
        errors=frozenset({"405"}),
        parameters=(FILE_ID,),
        route=REST,
    ),
    Operation(
        *("DELETE", ONE, "A file is removed.", {200: {JSON: FileDeleted}}),
        errors=frozenset({"405", "507"}),
        parameters=(FILE_ID,),
        route=REST,
    ),
    replace(content(f"{ONE}/content", "A file's bytes.", (FILE_ID,)), route=REST),
)
