"""The manager's verbs through the proxy."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.proxy.world import PATIENCE, world

pytestmark = pytest.mark.anyio


async def test_the_managers_list_and_status_come_through(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        models = json.loads((await w.get("/admin/models", "accept: */*")).body.split(b"\r\n")[1])
        assert [model["name"] for model in models["models"]] == ["small", "large", "painter"]
        answer = await w.get("/admin/models/org/small:1")
        assert answer.status == 200
        assert w.manager.verbs[-1] == ("GET", "/models/small")


async def test_the_managers_devices_come_through(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await w.get("/admin/devices?x=1")
        assert answer.status == 200
        assert json.loads(answer.body.split(b"\r\n")[1]) == {"devices": []}
        assert w.manager.verbs == [("GET", "/devices")]
        assert (await w.post("/admin/devices", b"")).status == 405


async def test_load_and_unload_are_relayed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await w.post("/admin/models/large/load", b"")).status == 202
        assert (await w.post("/admin/models/little/unload", b"")).status == 202
        assert w.manager.verbs == [("POST", "/models/large/load"), ("POST", "/models/small/unload")]


async def test_logs_are_relayed_with_the_two_parameters_and_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answer = await w.get("/admin/models/small/logs?lines=5&follow=true&x=%0d%0a")
        assert answer.headers["content-type"] == "text/plain"
        assert b"line two" in answer.body
        assert w.manager.verbs == [("GET", "/models/small/logs?lines=5&follow=true")]
        for lines in ("0", "x", "-1", "99999999999", "%EF%BC%95"):
            assert (await w.get(f"/admin/models/small/logs?lines={lines}")).status == 400


@pytest.mark.parametrize("path", ["/admin/models/small/load", "/admin/models/small/unload"])
async def test_what_changes_something_is_never_a_get(tmp_path: Path, path: str) -> None:
    async with world(tmp_path) as w:
        answer = await w.get(path)
        assert answer.status == 405
        assert answer.headers["allow"] == "OPTIONS, POST"
        assert w.manager.verbs == []


@pytest.mark.parametrize("name", ["nothing", "..%2fevents", "small%0d%0ax", "small/erase", "small%3fx"])
async def test_a_name_that_is_no_models_reaches_no_manager(tmp_path: Path, name: str) -> None:
    async with world(tmp_path) as w:
        assert (await w.post(f"/admin/models/{name}/load", b"")).status == 404
        assert w.manager.verbs == []


async def test_events_are_passed_on_as_they_come(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        reader, writer = await asyncio.open_connection("127.0.0.1", w.port)
        writer.write(b"GET /admin/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"event: models")
            await reader.readuntil(b": still here")
            await w.manager.tell(w.manager.status("large", state="starting"))
            await reader.readuntil(b"event: model\n")
            await w.manager.server.stop()
            rest = await reader.readuntil(b"\r\n0\r\n\r\n")
        assert b'"code": "manager_unavailable"' in rest
        writer.close()
