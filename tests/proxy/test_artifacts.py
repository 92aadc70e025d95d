"""`/v1/artifacts` over HTTP: uploaded, listed, read in ranges, deleted; and whose they are."""

import gc
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from proxy.artifacts.staging import WHOLE
from tests.fakes.pictures import BLUE, png
from tests.proxy.image_world import FORM, form, part
from tests.proxy.keyed import Keyed, Made, keyed
from tests.proxy.world import Raw, World, until, world

pytestmark = pytest.mark.anyio

ARTIFACTS = "/v1/artifacts"


async def upload(w: World, content: bytes, *headers: str, name: str = "a.png", **fields: str) -> dict[str, Any]:
    parts = (part(field, value.encode()) for field, value in fields.items())
    answer = await w.post(ARTIFACTS, form(*parts, part("file", content, filename=name)), FORM, *headers)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = json.loads(answer.body)
    return made


async def listed(w: World, query: str = "", *headers: str) -> dict[str, Any]:
    answer = await w.get(f"{ARTIFACTS}{query}", *headers)
    assert answer.status == 200, answer.body
    page: dict[str, Any] = json.loads(answer.body)
    return page


def every_way(path: str) -> tuple[tuple[str, str], ...]:
    """To one artifact: methods and paths."""
    return ("GET", path), ("GET", f"{path}/content"), ("GET", f"{path}/thumbnail"), ("DELETE", path)


def code_of(answer: Raw) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]["code"]


async def test_what_is_uploaded_is_kept_listed_and_read_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await upload(w, png(48, 32), prompt="a red wall", model="by-hand")
        assert (made["kind"], made["mime"], made["width"], made["height"]) == ("image", "image/png", 48, 32)
        assert (made["prompt"], made["model"], made["status"]) == ("a red wall", "by-hand", "ready")
        page = await listed(w)
        assert [each["id"] for each in page["data"]] == [made["id"]]
        assert (page["has_more"], page["next"]) == (False, None)
        shown = await w.get(f"{ARTIFACTS}/{made['id']}")
        assert json.loads(shown.body) == page["data"][0] | {"same_bytes": []}
        content = await w.get(made["content_url"])
        assert (content.status, content.headers["content-type"], content.body) == (200, "image/png", png(48, 32))
        small = await w.get(made["thumbnail_url"])
        assert (small.status, small.headers["content-type"], small.body[:4]) == (200, "image/webp", b"RIFF")


async def test_a_content_is_read_in_ranges(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4
    async with world(tmp_path) as w:
        path = (await upload(w, data, name="a.bin"))["content_url"]
        for asked, start, end in (("0-0", 0, 1), ("10-19", 10, 20), ("1000-", 1000, 1024), ("-4", 1020, 1024)):
            answer = await w.get(path, f"range: bytes={asked}")
            assert (answer.status, answer.body) == (206, data[start:end])
            assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1024"
        clipped = await w.get(path, "range: bytes=1000-9999")
        assert (clipped.status, clipped.body) == (206, data[1000:])
        for passed_over in ("bytes=5-4", "bytes=0-1,4-5", "lines=1-2", "bytes=-"):
            answer = await w.get(path, f"range: {passed_over}")
            assert (answer.status, answer.body) == (200, data)
        for beyond in ("bytes=1024-", "bytes=-0"):
            answer = await w.get(path, f"range: {beyond}")
            assert code_of(answer) == (416, "range_not_satisfiable")
            assert answer.headers["content-range"] == "bytes */1024"


async def test_a_real_client_goes_on_with_a_large_file_where_it_stopped(tmp_path: Path) -> None:
    data = bytes(range(256)) * (WHOLE // 256) + b"the end"
    async with world(tmp_path) as w, httpx.AsyncClient(base_url=w.url, trust_env=False) as client:
        made = (await client.post(ARTIFACTS, files={"file": ("large.bin", data)})).json()
        async with client.stream("GET", made["content_url"]) as answer:
            tag, pieces = answer.headers["etag"], answer.aiter_bytes()
            begun = await anext(pieces)
        rest = await client.get(made["content_url"], headers={"range": f"bytes={len(begun)}-", "if-range": tag})
        assert (rest.status_code, begun + rest.content) == (206, data)
        assert (await client.get(made["content_url"], headers={"if-none-match": tag})).status_code == 304


async def test_a_large_file_that_the_disk_changed_late_is_cut_short_and_not_served_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * (WHOLE // 256) + b"the end"
    async with world(tmp_path) as w, httpx.AsyncClient(base_url=w.url, trust_env=False) as client:
        made = (await client.post(ARTIFACTS, files={"file": ("large.bin", data)})).json()
        (tmp_path / "artifacts" / "files" / f"{made['id']}.bin").write_bytes(data[:-1] + b"?")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(made["content_url"])
        assert (await client.get(made["content_url"], headers={"range": "bytes=-2"})).status_code == 500
        assert (await client.get(made["content_url"], headers={"range": "bytes=0-9"})).content == data[:10]


async def test_a_content_that_is_known_is_not_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await upload(w, png())
        path, tag = made["content_url"], f'"{made["sha256"]}"'
        assert (await w.get(path)).headers["etag"] == tag
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = await w.get(path, f"if-none-match: {known}")
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
        assert (await w.get(path, 'if-none-match: "other"')).status == 200
        assert (await w.get(path, "range: bytes=0-3", f"if-range: {tag}")).status == 206
        assert (await w.get(path, "range: bytes=0-3", 'if-range: "other"')).body == png()


async def test_a_head_says_the_size_and_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await upload(w, png())
        answer = await w.get(made["content_url"], method="HEAD")
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(len(png())))


async def test_nothing_that_is_served_can_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        page = await upload(w, b"<script>alert(1)</script>", name="evil.html")
        drawing = await upload(w, b"<svg xmlns='http://www.w3.org/2000/svg'/>", name="x.svg")
        for made, mime in ((page, "application/octet-stream"), (drawing, "image/svg+xml")):
            answer = await w.get(made["content_url"])
            assert answer.headers["content-type"] == mime
            assert answer.headers["content-disposition"].startswith("attachment; ")
            assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["\u732b.png", "a b.png", "a;b=c.png", "\u202egnp.png", "x" * 300, "%0d%0aset-cookie"])
async def test_a_name_of_any_letters_is_told_and_cannot_leave_its_header(tmp_path: Path, name: str) -> None:
    async with world(tmp_path) as w:
        made = await upload(w, png(), name=name)
        assert made["filename"] == name[:255]
        answer = await w.get(made["content_url"])
        assert (answer.status, set(answer.headers)) == (200, set((await w.get(made["content_url"])).headers))
        assert unquote(answer.headers["content-disposition"].partition("UTF-8''")[2]) == name[:255]
        assert "set-cookie" not in answer.headers


async def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = form(part("file", b"x", filename="NAME")).replace(b"NAME", b"\xff\xfe")
        assert (await w.post(ARTIFACTS, body, FORM)).status == 400
        lone = b'{"bytes":1,"filename":"\\ud800","mime_type":"","purpose":"batch"}'
        assert (await w.post("/v1/uploads", lone)).status == 400


async def test_bytes_decide_what_a_file_is_and_not_its_name(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert (await upload(w, png(), name="a.txt"))["mime"] == "image/png"
        assert (await upload(w, b"plain words", name="a.png"))["mime"] == "application/octet-stream"
        table = await upload(w, b"a,b\n1,2\n", name="a.csv")
        assert (table["kind"], table["mime"]) == ("table", "text/csv")
        assert (await upload(w, b"{}", name="a.json", kind="plot"))["kind"] == "plot"


async def test_a_deleted_artifact_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = await upload(w, png())
        path = f"{ARTIFACTS}/{made['id']}"
        answer = await w.get(path, method="DELETE")
        assert json.loads(answer.body) == {"id": made["id"], "object": "artifact.deleted", "deleted": True}
        for method, where in (
            ("GET", path),
            ("GET", f"{path}/content"),
            ("GET", f"{path}/thumbnail"),
            ("DELETE", path),
        ):
            assert code_of(await w.get(where, method=method)) == (404, "artifact_not_found")
        assert (await listed(w))["data"] == []


NO_IDS: tuple[str, ...] = ("art_0", "art_" + "0" * 31 + "g", "art_" + "0" * 32, "art_" + "A" * 32, "..", "staging")
NO_IDS += ("art_" + "0" * 32 + "%00", "art_" + "0" * 32 + ".meta.json", "%2fetc%2fpasswd", "art_" + "%d9%a0" * 32)
NO_IDS += ("a" * 4000, "%5c..%5c", "%e2%88%95etc", "index.sqlite3", "..%2f..%2findex.sqlite3")


async def test_what_is_no_id_of_ones_own_is_not_found(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await upload(w, png())
        for bad in NO_IDS:
            for path in (f"{ARTIFACTS}/{bad}", f"{ARTIFACTS}/{bad}/content", f"{ARTIFACTS}/{bad}/thumbnail"):
                assert (await w.get(path)).status == 404


async def test_a_listing_is_filtered_and_paged(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        red = await upload(w, png(), prompt="a red cat", model="one")
        blue = await upload(w, png(colour=BLUE), prompt="a blue cat", model="two")
        table = await upload(w, b"a,b\n", name="sales.csv")

        async def found(query: str) -> list[str]:
            return [each["id"] for each in (await listed(w, query))["data"]]

        assert await found("") == [table["id"], blue["id"], red["id"]]
        assert await found("?order=asc") == [red["id"], blue["id"], table["id"]]
        assert await found("?kind=image") == [blue["id"], red["id"]]
        assert await found("?kind=image,table&model=one") == [red["id"]]
        assert await found("?q=CAT") == [blue["id"], red["id"]]
        assert await found("?q=cat+bl") == [blue["id"]]
        assert await found("?q=sales") == [table["id"]]
        assert await found("?q=%22%20OR%20*") == []
        assert await found("?q=---") == []
        assert await found(f"?since={blue['created_at']}") == [table["id"], blue["id"]]
        assert await found(f"?until={blue['created_at']}") == [red["id"]]
        first = await listed(w, "?limit=2")
        assert (len(first["data"]), first["has_more"]) == (2, True)
        assert await found(f"?limit=2&after={first['next']}") == [red["id"]]
        assert await found(f"?after={blue['id']}") == [red["id"]]
        assert await found(f"?q=cat&after={blue['id']}&order=asc") == []
        await w.get(f"{ARTIFACTS}/{blue['id']}", method="DELETE")
        assert await found(f"?after={blue['id']}") == [red["id"]]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("kind=picture", "kind"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("since=yesterday", "since"),
        ("until=nan", "until"),
        ("order=random", "order"),
        ("after=art_" + "0" * 32, "after"),
        ("after=c" + "g" * 8, "after"),
        ("color=red", "color"),
        ("kind=", "kind"),
        ("limit=", "limit"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named(tmp_path: Path, query: str, param: str) -> None:
    async with world(tmp_path) as w:
        answer = await w.get(f"{ARTIFACTS}?{query}")
        assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(part("kind", b"image")), "file"),
        (form(part("file", b"x", filename="a"), part("file", b"y", filename="b")), "file"),
        (form(part("picture", b"x", filename="a")), "picture"),
        (form(part("file", b"x", filename="a"), part("kind", b"drawing")), "kind"),
        (form(part("file", b"x", filename="../../a")), "file"),
        (form(part("colour", b"x"), part("file", b"x", filename="a")), "colour"),
        (form(part("prompt", b"x" * 70_000), part("file", b"x", filename="a")), "prompt"),
        (form(part("file", b"x", filename="a"))[:-8], None),
    ],
)
async def test_a_form_that_is_not_right_keeps_nothing(tmp_path: Path, body: bytes, param: str | None) -> None:
    async with world(tmp_path) as w:
        answer = await w.post(ARTIFACTS, body, FORM)
        assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, param)
        assert (await listed(w))["data"] == []
        assert not any((tmp_path / "artifacts" / "staging").iterdir())


async def test_what_is_too_large_is_refused_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async with world(tmp_path, artifact_size=1000) as w:
        answer = await w.post(ARTIFACTS, form(part("file", b"x" * 1001, filename="a")), FORM)
        assert code_of(answer) == (413, "payload_too_large")
        assert (await upload(w, b"x" * 1000, name="a"))["bytes"] == 1000
        assert not any((tmp_path / "artifacts" / "staging").iterdir())


async def test_parents_and_children_know_each_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        parent = await upload(w, png())
        child = await upload(w, png(colour=BLUE), parents=parent["id"])
        assert child["parents"] == [parent["id"]]
        shown = await w.get(f"{ARTIFACTS}/{parent['id']}")
        assert json.loads(shown.body)["children"] == [child["id"]]
        orphan = form(part("parents", b"art_" + b"0" * 32), part("file", b"x", filename="a"))
        assert code_of(await w.post(ARTIFACTS, orphan, FORM)) == (404, "artifact_not_found")


async def test_what_was_found_is_exported_with_its_sidecars(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        red, blue = await upload(w, png(), prompt="red"), await upload(w, png(colour=BLUE), prompt="blue")
        bad = await upload(w, b"to be damaged", name="a.bin", prompt="red")
        (tmp_path / "artifacts" / "files" / f"{bad['id']}.bin").write_bytes(b"TO BE DAMAGED")
        answer = await w.get(f"{ARTIFACTS}/export?q=red")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(unchunked(answer.body))) as archive:
            assert archive.testzip() is None
            name = f"image/{red['id']}"
            assert set(archive.namelist()) == {f"{name}.png", f"{name}.meta.json", "damaged.json"}
            assert archive.read(f"{name}.png") == png()
            assert json.loads(archive.read(f"{name}.meta.json"))["prompt"] == "red"
            assert json.loads(archive.read("damaged.json")) == {bad["id"]: "artifact_damaged"}
        assert blue["id"].encode() not in answer.body
        nothing = await w.get(f"{ARTIFACTS}/export?kind=audio")
        assert zipfile.ZipFile(io.BytesIO(unchunked(nothing.body))).namelist() == []


async def test_an_export_that_nobody_reads_to_its_end_is_closed_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for number in range(3):
            await upload(w, bytes([number]) * 4 * 2**20, name="a.bin")
        head = await w.get(f"{ARTIFACTS}/export", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert (await w.get(f"{ARTIFACTS}/export?after=art_{'0' * 32}")).status == 400
        asking = httpx.AsyncClient(base_url=w.url, trust_env=False)
        async with asking as client, client.stream("GET", f"{ARTIFACTS}/export") as answer:
            await anext(answer.aiter_raw())
        await until(lambda: "<Traffic 0 in flight>" in repr(w.proxy.traffic))
        gc.collect()  # an archive that was left open would complain, which fails the test


def unchunked(body: bytes) -> bytes:
    """A body that came in chunks -> its bytes."""
    out = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        out, body = out + rest[:length], rest[length + 2 :]
    return out


async def test_a_scrub_tells_of_what_is_damaged_and_of_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        made = [await upload(w, b"content %d" % number, name="a.bin") for number in range(3)]
        assert unchunked((await w.post("/admin/artifacts/scrub", b"")).body) == b""
        for each, content in zip(made, (b"CONTENT 0", None), strict=False):
            path = tmp_path / "artifacts" / "files" / f"{each['id']}.bin"
            path.write_bytes(content) if content is not None else path.unlink()
        lines = unchunked((await w.post("/admin/artifacts/scrub", b"")).body).splitlines()
        told = [(line["id"], line["trouble"]) for line in map(json.loads, lines)]
        assert told == [(made[0]["id"], "content_damaged"), (made[1]["id"], "content_missing")]


# Owners


async def owners(k: Keyed) -> tuple[Made, Made]:
    return await k.make(name="mine", user="me"), await k.make(name="yours", user="you")


async def test_another_owners_artifact_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        me, you = await owners(k)
        made = await upload(k.world, png(), me.header, prompt="a secret cat")
        await upload(k.world, png(), you.header, prompt="a cat")
        path = f"{ARTIFACTS}/{made['id']}"
        for method, where in (
            ("GET", path),
            ("GET", f"{path}/content"),
            ("GET", f"{path}/thumbnail"),
            ("DELETE", path),
        ):
            assert code_of(await k.ask(method, where, None, you.header)) == (404, "artifact_not_found")
        for query in ("", "?q=secret", f"?kind=image&since={made['created_at']}"):
            page = await listed(k.world, query, you.header)
            assert made["id"] not in [each["id"] for each in page["data"]]
        assert code_of(await k.ask("GET", f"{ARTIFACTS}?after={made['id']}", None, you.header))[0] == 400
        wish = form(part("parents", made["id"].encode()), part("file", b"x", filename="a"))
        assert code_of(await k.world.post(ARTIFACTS, wish, FORM, you.header)) == (404, "artifact_not_found")
        assert (await k.ask("GET", f"{path}/content", None, me.header)).body == png()


async def test_the_same_content_of_two_owners_shares_bytes_and_nothing_else(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        me, you = await owners(k)
        mine = await upload(k.world, png(), me.header, prompt="mine")
        yours = await upload(k.world, png(), you.header)
        assert (yours["prompt"], yours["sha256"]) == (None, mine["sha256"])
        twin = await upload(k.world, png(), me.header)
        for made, who, same in ((mine, me, [twin["id"]]), (yours, you, [])):
            shown = await k.ask("GET", f"{ARTIFACTS}/{made['id']}", None, who.header)
            assert json.loads(shown.body)["same_bytes"] == same
        await k.ask("DELETE", f"{ARTIFACTS}/{mine['id']}", None, me.header)
        assert (await k.ask("GET", f"{ARTIFACTS}/{yours['id']}/content", None, you.header)).body == png()


async def test_where_keys_are_asked_for_an_address_carries_its_permission(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        me, _ = await owners(k)
        made = await upload(k.world, png(), me.header)
        assert (await k.world.get(made["content_url"])).body == png()
        assert (await k.world.get(made["thumbnail_url"])).status == 200
        bare, _, query = made["content_url"].partition("?")
        other = await upload(k.world, png(colour=BLUE), me.header)
        forged = (
            bare,
            f"{bare}?{query[:-1]}{'0' if query[-1] != '0' else '1'}",
            f"{bare}?{query.replace('expires=1', 'expires=2')}",
            f"{ARTIFACTS}/{other['id']}/content?{query}",
            f"{ARTIFACTS}/{made['id']}?{query}",
            f"{ARTIFACTS}?{query}",
        )
        for path in forged:
            assert code_of(await k.world.get(path)) == (401, "invalid_api_key")
        assert code_of(await k.world.get(f"{bare}?{query}", method="DELETE")) == (401, "invalid_api_key")


async def test_an_address_ends(tmp_path: Path) -> None:
    async with keyed(tmp_path, artifact_address=0.001) as k:
        me, _ = await owners(k)
        made = await upload(k.world, png(), me.header)
        assert code_of(await k.world.get(made["content_url"])) == (403, "address_expired")
