"""The operations of `/v1/videos`, `/v1/jobs` and `/v1/events`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contract.images import PROMPT_MOST, VideoRequest
from contract.jobs import AnyJob, JobPage, VideoDeleted, VideoJob
from contract.prompts import WORDS
from proxy.jobs.job import ID_PATTERN, PREFIXES, VIDEO
from proxy.openapi.content import ID, ORDER, content, limit
from proxy.openapi.operation import ANYTHING, BYTES, EVENTS, FORM, JSON, Operation, Parameter
from proxy.openapi.rows import fields_of, form_of

VIDEOS, JOBS, STREAM = "/v1/videos", "/v1/jobs", "/v1/events"
ONE_VIDEO, ONE_JOB = f"{VIDEOS}/{{video_id}}", f"{JOBS}/{{job_id}}"
PAGE, MOST_PER_PAGE = 20, 100
POLL = ("openai-poll-after-ms",)
HANDED_IN = frozenset({"404", "507"})  # of a model or a picture that is not there, and of no room for the job

VIDEO_ID = Parameter(
    *("video_id", "path", "a video job's id"), {"type": "string", "pattern": f"^{PREFIXES[VIDEO]}[0-9a-f]{{32}}$"}
)
JOB_ID = Parameter("job_id", "path", "a job's id", {"type": "string", "pattern": f"^{ID_PATTERN}$"})
LAST_ID = Parameter(
    *("last-event-id", "header", "the last event that came: the stream goes on after it"),
    {"type": "string"},
)
LISTING = (
    Parameter(
        *("after", "query", "the id of the last job of the page before"),
        {"type": "string", "pattern": f"^{ID_PATTERN}$"},
    ),
    limit(MOST_PER_PAGE, PAGE),
    ORDER,
)
VARIANT = Parameter("variant", "query", "`video` if left out", {"enum": ["video", "thumbnail", "spritesheet"]})

_ADDRESS = {"type": "string", "pattern": f"^({ID}|data:image/[a-z]+;base64,[A-Za-z0-9+/]+=*|https?://[!-~]+)$"}
REFERENCE: Mapping[str, Any] = {
    "description": "the picture that the clip begins with: an artifact's or a file's id, a data URL or an address",
    "anyOf": [
        _ADDRESS,
        {"type": "object", "properties": {"image_url": _ADDRESS}, "required": ["image_url"]},
        {"type": "object", "properties": {"file_id": {"type": "string"}}, "required": ["file_id"]},
        {"type": "null"},
    ],
}
_ALIKE: Mapping[str, Any] = {
    "motion": {"type": "integer", "minimum": 0, "maximum": 255, "description": "the same as `motion_bucket_id`"},
    "n": {"const": 1},
}


def _wish() -> dict[str, Any]:
    """JSON. Numbers that no family knows are for the engine to judge."""
    schema = fields_of(VideoRequest, {})
    pictures = dict.fromkeys(("input_reference", "image", "image_url"), REFERENCE)
    schema["properties"] = {**schema["properties"], **_ALIKE, **pictures}
    return schema | {"title": "VideoWish", "additionalProperties": {"type": "number"}, **_NAMES}


def _form() -> dict[str, Any]:
    """A form, as SDKs send it: of the three names of the picture each may be a file, or a text as in JSON."""
    schema = form_of(VideoRequest)
    pictures = dict.fromkeys(("input_reference", "image", "image_url"), BYTES)
    schema["properties"] = {**schema["properties"], **_ALIKE, **pictures}
    return schema | {"title": "VideoForm", "additionalProperties": {"type": "number"}, **_NAMES}


_NAMES: Mapping[str, Any] = {"propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,63}$"}}
_REMIX: Mapping[str, Any] = {
    "title": "RemixWish",
    "type": "object",
    "properties": {"prompt": {"type": "string", "pattern": WORDS, "maxLength": PROMPT_MOST}},
    "required": ["prompt"],
    "additionalProperties": False,
}

VIDEO_OPERATIONS = (
    Operation(
        *("POST", VIDEOS, "A clip is asked for as a job. Served by models of type video.", {200: {JSON: VideoJob}}),
        errors=HANDED_IN,
        request={FORM: _form(), JSON: _wish()},
        headers=POLL,
    ),
    Operation("GET", VIDEOS, "The caller's clips.", {200: {JSON: JobPage}}, parameters=LISTING),
    Operation(
        *("GET", ONE_VIDEO, "How a clip stands.", {200: {JSON: VideoJob}}),
        errors=frozenset({"405"}),
        parameters=(VIDEO_ID,),
        route=f"{VIDEOS}/*",
        headers=POLL,
    ),
    replace(
        content(
            f"{ONE_VIDEO}/content", "A clip's bytes.", (VIDEO_ID, VARIANT), ("video/mp4", "image/jpeg", "image/webp")
        ),
        errors=frozenset({"405", "409", "416"}),
        route=f"{VIDEOS}/*",
    ),
    Operation(
        *("POST", f"{ONE_VIDEO}/remix", "The same clip with another prompt.", {200: {JSON: VideoJob}}),
        errors=HANDED_IN | {"405", "409"},
        request={JSON: _REMIX},
        parameters=(VIDEO_ID,),
        route=f"{VIDEOS}/*",
        headers=POLL,
    ),
    Operation(
        *("DELETE", ONE_VIDEO, "A clip is called off, and what was made is removed.", {200: {JSON: VideoDeleted}}),
        errors=frozenset({"405", "507"}),
        parameters=(VIDEO_ID,),
        route=f"{VIDEOS}/*",
    ),
)
JOB_OPERATIONS = (
    Operation("GET", JOBS, "The caller's jobs of every kind.", {200: {JSON: JobPage}}, parameters=LISTING),
    Operation(
        *("GET", ONE_JOB, "How a job stands.", {200: {JSON: AnyJob}}),
        errors=frozenset({"405"}),
        parameters=(JOB_ID,),
        route=f"{JOBS}/*",
        headers=POLL,
    ),
    Operation(
        *("DELETE", ONE_JOB, "A job is called off, and what was made is removed.", {200: {JSON: VideoDeleted}}),
        errors=frozenset({"405", "507"}),
        parameters=(JOB_ID,),
        route=f"{JOBS}/*",
    ),
)
EVENT_OPERATIONS = (
    Operation(
        *("GET", STREAM, "What happens to the caller's jobs and artifacts, and to models; without end."),
        {200: {EVENTS: ANYTHING}},
        parameters=(LAST_ID,),
    ),
)
