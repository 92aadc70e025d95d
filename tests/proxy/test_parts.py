"""The small parts by themselves: routes, settings, deadlines, and how an engine's errors are read."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from contract.capabilities import ENDPOINT_TYPES
from proxy.__main__ import Refused, require_safe
from proxy.gateway import engine_answers
from proxy.gateway.asgi import Receive, Scope, Send
from proxy.gateway.deadline import Deadline
from proxy.router import DuplicateRoute, Route, Router
from proxy.settings import Settings
from tests.proxy.world import PATIENCE, until, world

pytestmark = pytest.mark.anyio


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An endpoint."""


def test_two_endpoints_for_the_same_method_and_path_are_refused() -> None:
    with pytest.raises(DuplicateRoute, match="GET /a"):
        Router([Route("GET", "/a", nothing), Route("POST", "/a", nothing), Route("GET", "/a", nothing)])


async def test_every_row_of_the_capability_table_has_its_endpoint(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for path in ENDPOINT_TYPES:
            answer = await w.get(path, method="PATCH")
            assert answer.status == 405
            assert answer.headers["allow"] in {"OPTIONS, POST", "GET, HEAD, OPTIONS, POST"}


def settings(**values: Any) -> Settings:  # noqa: ANN401
    return Settings(**values)


@pytest.mark.parametrize(
    "values",
    [{}, {"proxy_host": "localhost"}, {"proxy_host": "::1"}, {"proxy_host": "0.0.0.0", "published_at": "127.0.0.1"}],
)
def test_on_this_machine_alone_no_key_is_needed(values: dict[str, str]) -> None:
    require_safe(settings(**values))


@pytest.mark.parametrize("values", [{"proxy_host": "0.0.0.0"}, {"published_at": "box.lan"}, {"proxy_host": "::"}])
def test_beyond_this_machine_a_key_is_needed(values: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Refused):
        require_safe(settings(**values))
    require_safe(settings(**values, key_file=tmp_path))


def test_the_names_of_the_settings_are_allowed_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_ALLOWED_HOSTS", "Box.lan, gpu.example ,")
    monkeypatch.setenv("ROUNDHOUSE_KEY_FILE", "")
    read = settings(proxy_host="0.0.0.0", published_at="192.168.1.5")
    assert read.hosts == {"localhost", "127.0.0.1", "[::1]", "192.168.1.5", "box.lan", "gpu.example"}
    assert read.key_file is None


async def test_a_deadline_that_is_moved_fires_once_and_at_its_last_time() -> None:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    done = asyncio.Event()

    def expired() -> None:
        fired.append(loop.time())
        done.set()

    deadline = Deadline(loop, expired)
    began = loop.time()
    for seconds in (0.05, 5.0, 0.02, 0.1):
        deadline.set(seconds)
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    assert len(fired) == 1
    assert 0.099 <= fired[0] - began < 1.0  # the loop's clock counts milliseconds


async def test_a_deadline_that_is_due_at_once_may_be_moved() -> None:
    fired: list[None] = []
    deadline = Deadline(asyncio.get_running_loop(), lambda: fired.append(None))
    for seconds in (0, 0, 5.0, 0, -1.0):
        deadline.set(seconds)
    assert fired == []
    await until(lambda: fired == [None])
    deadline.close()


async def test_a_cleared_deadline_never_fires() -> None:
    loop = asyncio.get_running_loop()
    fired = asyncio.Event()
    deadline = Deadline(loop, fired.set)
    deadline.set(0.01)
    deadline.clear()
    other = asyncio.Event()
    Deadline(loop, other.set).set(0.05)
    await other.wait()
    assert not fired.is_set()


SHAPES = [
    ({"error": {"message": "m", "type": "BadRequestError", "param": "n", "code": 400}}, "m", "n"),
    ({"object": "error", "message": "m", "type": "x", "param": None, "code": 400}, "m", None),
    ({"detail": "m"}, "m", None),
    ({"error": "m"}, "m", None),
    ({"error": {"code": "odd"}}, "The engine answered with status 400 and no reason.", None),
    ([], "The engine answered with status 400 and no reason.", None),
]


@pytest.mark.parametrize(("document", "message", "param"), SHAPES)
def test_an_engines_error_is_read_in_whatever_shape(document: object, message: str, param: str | None) -> None:
    error = engine_answers.failure(400, json.dumps(document).encode())
    assert (error.status, error.message, error.param) == (400, message, param)
    assert error.kind == (
        "x" if isinstance(document, dict) and document.get("type") == "x" else "invalid_request_error"
    )


def test_of_an_engines_fault_only_the_first_line_is_told_and_a_time_to_come_back_is_kept() -> None:
    fault = engine_answers.failure(500, b'{"error":{"message":"boom\\nTraceback: /usr/lib/x.py"}}')
    assert (fault.status, fault.message) == (502, "The engine failed: boom")
    busy = engine_answers.failure(429, b"", {b"retry-after": b"7"})
    assert (busy.status, busy.headers, busy.kind) == (429, {"retry-after": "7"}, "rate_limit_error")
    assert engine_answers.failure(429, b"", {b"retry-after": b"soon\r\nx: y"}).headers == {}


IN_STREAM = [
    ({"code": "invalid_value", "type": "invalid_request_error"}, 400, "invalid_value"),
    ({"code": "out_of_memory", "type": "server_error"}, 503, "out_of_memory"),
    ({"code": "engine_error", "type": "server_error"}, 502, "engine_error"),
    ({"code": 404, "type": "NotFoundError"}, 404, None),
    ({"code": None}, 502, "engine_error"),
]


@pytest.mark.parametrize(("fields", "status", "code"), IN_STREAM)
def test_an_error_inside_a_stream_has_a_status_too(fields: dict[str, object], status: int, code: str | None) -> None:
    error = engine_answers.failure_event(json.dumps({"error": {"message": "m", **fields}}).encode())
    assert (error.status, error.code) == (status, code)
