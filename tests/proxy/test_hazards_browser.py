"""Hazards F of the list, and B2: pages of other origins, and names that a page may give this machine."""

import json
from pathlib import Path

import pytest

from tests.proxy.keyed import keyed
from tests.proxy.world import Raw, World, world

pytestmark = pytest.mark.anyio

MISLEADING = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "localhost.",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost/health",
    "localhost/health?",
    "localhost/static/x.js#",
    "localhost\\health",
    "http://localhost",
    "localhost,evil.example",
    "localhost evil.example",
    "0.0.0.0",
    "0.0.0.0:8080",
    "0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::1].evil.example",
    "::1",
    "127.0.0.1:80:80",
    "localhost:80a",
    "host.docker.internal",
    "192.168.0.7",
    "l\u00f6calhost",
]
FOREIGN = [
    "null",
    "http://evil.example",
    "https://localhost",
    "http://localhost",
    "http://localhost.evil",
    "http://localhost.evil:{port}",
    "http://evil.localhost:{port}",
    "http://localhost:{port}.evil",
    "http://localhost:{port}@evil.example",
    "http://127.0.0.1:{port}",
    "http://localhost:1{port}",
    "file://",
    "chrome-extension://localhost:{port}",
    "http://localhost:{port}/",
    "http://localhost:{port}, http://evil.example",
]
SIMPLE = [
    ("text/plain", b'{"model":"small","name":"x","admin":true}'),
    ("application/x-www-form-urlencoded", b"model=small&name=x"),
    ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n'),
    ("", b""),
]

VERBS = {
    "/admin/models/*": "small/load",
    "/v1/responses/*": "r1/cancel",
    "/v1/artifacts/*": "small/reproduce",
    "/v1/uploads/*": "small/complete",
    "/v1/videos/*": "small/remix",
}
# What is answered before a body is read: an artifact or a job that is not there; and a scrub, which only reads.
UNREAD = {"/v1/artifacts/small/reproduce": 404, "/v1/videos/small/remix": 404, "/admin/artifacts/scrub": 200}
READ = {"/admin/keys", "/v1/artifacts", "/v1/artifacts/preferences", "/v1/files", "/v1/videos"}


def paths_of(w: World) -> list[tuple[str, str]]:
    """Method and path of every route."""
    return [
        (route.method, route.path.replace("*", VERBS.get(route.path, "small") if route.method == "POST" else "small"))
        for route in w.proxy.routes
    ]


# F1, B2


async def test_under_another_name_no_route_answers_whatever_the_method(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for _, path in paths_of(w):
            for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE"):
                answer = await w.get(path, "host: evil.example", method=method)
                assert answer.status == 421, (method, path)
        assert (w.manager.verbs, w.engine.seen.requests) == ([], [])


@pytest.mark.parametrize("name", MISLEADING)
async def test_a_name_that_only_looks_like_ours_opens_nothing(tmp_path: Path, name: str) -> None:
    async with keyed(tmp_path) as k:
        for path in ("/health", "/", "/v1/models", "/admin/models", "/admin/events", "/metrics", "/openapi.json"):
            answer = await k.world.get(path, f"host: {name}", k.admin)
            assert answer.status in {400, 421}, path
            assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code", "origin"}


async def test_an_address_in_the_request_line_names_no_other_path_or_host(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        for target in (b"http://localhost/health", b"http://evil.example/health", b"//localhost/health", b"*"):
            answer = await k.world.request(b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % target)
            assert answer.status in {200, 400, 401, 404}
            if answer.status == 200:
                assert target.endswith(b"/health")
        guarded = b"GET http://localhost/health@/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        assert (await k.world.request(guarded)).status in {400, 401, 404}


async def test_an_upgrade_under_another_name_is_refused_too(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        upgrade = ("upgrade: websocket", "connection: close, upgrade", "sec-websocket-version: 13")
        for path in ("/admin/events", "/v1/chat/completions", "/"):
            lines = [f"GET {path} HTTP/1.1", "host: evil.example", "origin: http://evil.example", *upgrade]
            answer = await w.request("\r\n".join([*lines, "", ""]).encode())
            assert answer.status == 421


# F2


async def submit(w: World, method: str, path: str, origin: str, kind: str, body: bytes) -> Raw:
    lines = [f"{method} {path} HTTP/1.1", f"host: localhost:{w.port}", "connection: close", f"origin: {origin}"]
    lines += ["cookie: session=1", f"content-length: {len(body)}"]
    if kind:
        lines.append(f"content-type: {kind}")
    return await w.request("\r\n".join([*lines, "", ""]).encode() + body)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_no_page_of_another_origin_changes_anything(tmp_path: Path, origin: str) -> None:
    async with world(tmp_path) as w:
        changing = [(method, path) for method, path in paths_of(w) if method != "GET"]
        assert len(changing) > 15
        for method, path in changing:
            for kind, body in SIMPLE:
                answer = await submit(w, method, path, origin.format(port=w.port), kind, body)
                assert answer.status == 403, (method, path, kind)
                assert json.loads(answer.body)["error"]["code"] == "forbidden_origin"
        assert (w.manager.verbs, w.manager.leases, w.engine.seen.requests) == ([], [], [])
        assert json.loads((await w.get("/admin/keys")).body) == {"keys": []}


async def test_what_a_page_can_send_without_asking_first_makes_nothing_of_itself(tmp_path: Path) -> None:
    """Without an Origin, as only programs send it: media types that a form may have are refused all the same."""
    async with world(tmp_path) as w:
        for method, path in paths_of(w):
            if method == "POST" and not path.endswith(("/load", "/cancel")):
                for kind, body in SIMPLE[:2]:
                    answer = await w.post(path, body, f"content-type: {kind}")
                    assert answer.status == UNREAD.get(path, 415), (path, kind)
        assert json.loads((await w.get("/v1/artifacts")).body)["data"] == []
        assert (w.manager.verbs, w.manager.leases, w.engine.seen.requests) == ([], [], [])


async def test_a_link_or_a_picture_of_a_page_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for method, path in paths_of(w):
            if method != "GET":
                answer = await w.get(path, "sec-fetch-site: cross-site", "sec-fetch-mode: no-cors")
                assert answer.status in {200, 404, 405}, path
                assert answer.status != 200 or path in READ, path
        assert (w.manager.verbs, w.manager.leases, w.engine.seen.requests) == ([], [], [])


# F3, F4


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://localhost.evil", "http://localhost:{port}"])
async def test_no_answer_of_any_route_invites_another_origin(tmp_path: Path, origin: str) -> None:
    async with world(tmp_path) as w:
        preflight = ("access-control-request-method: POST", "access-control-request-headers: authorization")
        asked = (*preflight, "access-control-request-private-network: true", f"origin: {origin.format(port=w.port)}")
        for method, path in paths_of(w):
            for verb in {method, "OPTIONS", "HEAD"}:
                if path == "/admin/events" and verb != "OPTIONS":
                    continue
                answer = await w.get(path, *asked, "content-length: 0", method=verb)
                assert not [name for name in answer.headers if name.startswith("access-control-")], (verb, path)
                assert "set-cookie" not in answer.headers


async def test_a_cookie_opens_nothing_and_none_is_ever_set(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        for path in ("/v1/models", "/admin/keys", "/metrics"):
            answer = await k.world.get(path, f"cookie: key={k.admin}; authorization=Bearer {k.admin}")
            assert answer.status == 401
            assert "set-cookie" not in answer.headers
