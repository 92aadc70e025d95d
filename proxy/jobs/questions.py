"""What one worker asks the one that runs the jobs, and what that answers, as they cross between processes."""

from collections.abc import Callable

import msgspec

from contract.errors import ApiError, Origin
from proxy.jobs.database import Query
from proxy.jobs.job import Job
from proxy.jobs.standing import Told


class RequireRoom(msgspec.Struct, frozen=True, tag=True):
    owner: str
    model: str


class Create(msgspec.Struct, frozen=True, tag=True):
    job: Job


class Find(msgspec.Struct, frozen=True, tag=True):
    owner: str
    job_id: str


class Page(msgspec.Struct, frozen=True, tag=True):
    owner: str
    query: Query


class Variant(msgspec.Struct, frozen=True, tag=True):
    job_id: str
    name: str


class Remove(msgspec.Struct, frozen=True, tag=True):
    owner: str
    job_id: str


Question = RequireRoom | Create | Find | Page | Variant | Remove


class Trouble(msgspec.Struct, frozen=True):
    """An ApiError."""

    status: int
    code: str | None
    message: str
    param: str | None
    kind: str
    origin: Origin
    headers: dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """What was found: jobs, or a picture; or why not."""

    jobs: tuple[Told, ...] = ()
    content: bytes | None = None
    trouble: Trouble | None = None


encode_question: Callable[[Question], bytes] = msgspec.json.Encoder().encode
encode_answer: Callable[[Answer], bytes] = msgspec.json.Encoder().encode
decode_question: Callable[[bytes], Question] = msgspec.json.Decoder(Question).decode
decode_answer: Callable[[bytes], Answer] = msgspec.json.Decoder(Answer).decode


def trouble_of(error: ApiError) -> Trouble:
    """What is told of it."""
    told = (error.status, error.code, error.message, error.param, error.kind, error.origin)
    return Trouble(*told, error.headers)


def error_of(trouble: Trouble) -> ApiError:
    """The same where it is raised again."""
    return ApiError(
        trouble.status,
        trouble.code,
        trouble.message,
        param=trouble.param,
        kind=trouble.kind,
        origin=trouble.origin,
        headers=trouble.headers,
    )
