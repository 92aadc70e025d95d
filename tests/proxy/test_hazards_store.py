"""Hazards C and D of the list where the store and its jobs take media: on a real socket.

C1, C2, C4     input_reference, in each of its shapes                       here
C8 to C11      input_reference as a file, and uploads                       here
C3, C5, C7     the same fetcher as for all media                            media/test_fetch.py
C10            ten thousand damaged pictures through the same decoder       media/test_decoder.py
D1             ids (artifacts, files, uploads, clips), links in the store   test_artifacts.py, test_uploads.py, here;
               and jobs/test_videos_sdk.py
D2             killed at every step of a write                              artifacts/test_killed.py
D3             a disk of one megabyte; a job that has nowhere to be kept    artifacts/test_limits.py, jobs/test_desk.py
D5             a byte that the disk changed, the scrub                      artifacts/test_store.py, test_artifacts.py
D6             sidecars that are damaged, lost, huge, of a newer version    artifacts/test_store.py
D7             the same content of two owners                               artifacts/test_store.py, test_artifacts.py
D9             deleted while it is read, listed while it is written         artifacts/test_store.py
D10            sweeps beside writes, clocks that somebody sets              artifacts/test_limits.py
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.pictures import png
from tests.proxy.image_world import FORM, form, part
from tests.proxy.jobs.film import Films, films
from tests.proxy.media.pictures import encoded
from tests.proxy.media.test_decoder import claiming, others
from tests.proxy.media.test_urls import NO_NAME_OF_A_HOST
from tests.proxy.test_artifacts import NO_IDS
from tests.proxy.test_hazards_media import TO_THIS_MACHINE, assert_refused, canary, permit, resolve
from tests.proxy.world import Raw, World, world

pytestmark = pytest.mark.anyio
VIDEOS, ARTIFACTS, FILES = "/v1/videos", "/v1/artifacts", "/v1/files"
JSON = "content-type: application/json"

Sent = tuple[bytes, str]  # a body and its type


def said(reference: object, name: str = "input_reference") -> Sent:
    return json.dumps({"prompt": "a ball", name: reference}).encode(), JSON


def told(name: str, value: str) -> Sent:
    return form(part("prompt", b"a ball"), part(name, value.encode())), FORM


# How a request for a clip may name its picture by an address.
SHAPES: dict[str, Callable[[str], Sent]] = {
    "text": said,
    "image_url": lambda url: said({"image_url": url}),
    "url": lambda url: said([{"image_url": {"url": url}}]),
    "another name": lambda url: said(url, "image_url"),
    "form": lambda url: told("input_reference[image_url]", url),
    "json in a form": lambda url: told("input_reference", json.dumps({"image_url": url})),
}
NO_DATA = ("data:text/html;base64,AAAA", "data:image/png;base64,%%%", "data:image/png,x", "data:;base64,")
BOMBS = {
    "169 Mpx": claiming(13_000, 13_000),
    "400 Mpx": claiming(20_000, 20_000),
    "more": claiming(2**31 - 1, 2**31 - 1),
}


async def nothing_was_kept(f: Films) -> bool:
    """No clip was asked for, and nothing that came with a request is there."""
    artifacts = json.loads((await f.world.get(ARTIFACTS)).body)["data"]
    jobs = json.loads((await f.world.get("/v1/jobs")).body)["data"]
    return (artifacts, jobs, f.engine.asked) == ([], [], [])


# C1, C2, C4


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_address_of_a_clips_picture_makes_the_proxy_connect_to_this_machine(
    tmp_path: Path, shape: str
) -> None:
    async with films(tmp_path) as f, canary() as bird:
        f.world.proxy.media._fetcher._resolve = resolve
        permit(f.world.proxy, bird.port)
        addresses = (url.format(port=bird.port) for url in TO_THIS_MACHINE)
        for url in (*addresses, *filter(None, NO_NAME_OF_A_HOST), *NO_DATA):
            assert_refused(await f.world.post(VIDEOS, *SHAPES[shape](url)), "")
        assert bird.connects == []
        assert await nothing_was_kept(f)


# C8 to C11


async def test_no_bomb_and_no_disguise_becomes_a_clips_picture_and_the_next_picture_is_taken(tmp_path: Path) -> None:
    broken = {"cut short": encoded("JPEG", (64, 64))[:200], "noise": png()[:20] + bytes(300)}
    async with films(tmp_path) as f:
        for content in (BOMBS | others() | broken).values():
            file = part("input_reference", content, b"content-type: image/png", filename="a.png")
            answer = await f.world.post(VIDEOS, form(part("prompt", b"a ball"), file), FORM)
            assert_refused(answer, "input_reference" if content else "")
        assert await nothing_was_kept(f)
        assert (await f.over((await f.create(input_reference=png())).id)).status == "completed"


async def test_bombs_and_disguises_are_kept_as_they_came_and_neither_drawn_nor_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name, content in (BOMBS | others()).items():
            made = await kept(w, content, f"{name}.png")
            whole = await w.get(made["content_url"])
            assert (whole.status, whole.body) == (200, content), name
            assert whole.headers["content-security-policy"] == "sandbox; default-src 'none'"
            if not made["mime"].startswith("image/") or made["mime"] == "image/svg+xml":
                assert whole.headers["content-disposition"].startswith("attachment"), name
            small = await w.get(made["thumbnail_url"])
            assert (small.status, code_of(small)) == (404, "no_thumbnail"), name
        good = await kept(w, png(), "good.png")
        assert (await w.get(good["thumbnail_url"])).status == 200


async def kept(w: World, content: bytes, filename: str) -> dict[str, Any]:
    answer = await w.post(ARTIFACTS, form(part("file", content, filename=filename)), FORM)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = json.loads(answer.body)
    return made


def code_of(answer: Raw) -> str:
    code: str = json.loads(answer.body)["error"]["code"]
    return code


# D1


async def test_what_is_no_files_id_is_not_found_and_nothing_changes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await kept(w, png(), "a.png")
        for bad in NO_IDS:
            for method, path in (("GET", bad), ("DELETE", bad), ("GET", f"{bad}/content")):
                assert (await w.get(f"{FILES}/{path}", method=method)).status == 404, bad
        assert (await w.get(made["content_url"])).body == png()


async def test_a_link_in_the_store_leads_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(png())  # of the same bytes, so that no digest tells it
    async with world(tmp_path) as w:
        made = await kept(w, png(), "a.png")
        (content,) = (tmp_path / "artifacts" / "images").glob(f"{made['id']}.png")
        content.unlink()
        content.symlink_to(secret)
        answer = await w.get(made["content_url"])
        assert (answer.status, code_of(answer)) == (500, "artifact_damaged")
        shown = json.loads((await w.get(f"{ARTIFACTS}/{made['id']}")).body)
        assert shown["status"] == "degraded"
        assert (await w.get(f"{ARTIFACTS}/{made['id']}", method="DELETE")).status == 200
        assert secret.read_bytes() == png()
