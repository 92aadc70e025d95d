"""The store by itself: what it keeps, what it notices, and what it finds again."""

import asyncio
import json
from pathlib import Path

import pytest

from contract.artifacts import ArtifactKind, Sidecar
from contract.errors import ApiError
from proxy.artifacts.examine import CONTENT_DAMAGED, CONTENT_MISSING, SIDECAR_DAMAGED, SIDECAR_MISSING
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.staging import BLOCK, WHOLE
from proxy.artifacts.store import DELETED, READY, ArtifactStore
from proxy.artifacts.stored_file import IN_MEMORY
from proxy.media.limits import MediaLimits
from tests.fakes.pictures import BLUE, png
from tests.proxy.artifacts.shop import ME, YOU, files, ids, pieces, shop, words

pytestmark = pytest.mark.anyio

LARGE = bytes(range(256)) * (WHOLE // 256) + b"and a little more"


async def read(store: ArtifactStore, artifact_id: str, owner: str = ME) -> bytes:
    return await (await store.content(owner, artifact_id)).read_all()


def content_of(root: Path, artifact: Sidecar) -> Path:
    (found,) = (path for path in root.glob(f"*/{artifact.id}.*") if path.suffix in {".png", ".bin"})
    return found


def meta_of(root: Path, artifact: Sidecar) -> Path:
    (found,) = root.glob(f"*/{artifact.id}.meta.json")
    return found


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


# What is kept


async def test_each_kind_has_its_folder_and_each_artifact_its_sidecar(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        said = Facts(
            kind=ArtifactKind.VIDEO, mime="video/mp4", fps=8.0, duration=2.5, width=64, height=32, poster=png()
        )
        clip = await store.add(ME, b"\0\0\0\x18ftypmp42", said)
        folders = {"images": png(), "audio": b"RIFF\0\0\0\0WAVEfmt ", "files": b"%PDF-1.7", "videos": b""}
        made = {folder: await store.add(ME, content, Facts()) for folder, content in folders.items() if content}
        for folder, artifact in (*made.items(), ("videos", clip)):
            path = tmp_path / folder / f"{artifact.id}.meta.json"
            assert Sidecar.model_validate_json(path.read_text()) == artifact
        assert (clip.fps, clip.duration, clip.width, clip.height) == (8.0, 2.5, 64, 32)
        assert await store.thumbnail(ME, clip.id) == png()


@pytest.mark.usefixtures("place")
async def test_a_stream_is_kept_as_it_came(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, pieces(LARGE[:100], LARGE[100:5_000_000], LARGE[5_000_000:]), Facts())
        whole = await store.add(ME, LARGE, Facts())
        assert (made.size, made.sha256, made.blocks) == (whole.size, whole.sha256, whole.blocks)
        assert await read(store, made.id) == LARGE
        file = await store.content(ME, made.id)
        for start, end in ((0, 1), (BLOCK - 1, BLOCK + 1), (BLOCK, 2 * BLOCK), (len(LARGE) - 3, len(LARGE)), (5, 5)):
            assert b"".join([piece async for piece in file.read(start, end)]) == LARGE[start:end]


@pytest.mark.usefixtures("place")
async def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> object:
        yield b"x" * 2_000_000
        raise ConnectionError

    async with shop(tmp_path) as store:
        with pytest.raises(ConnectionError):
            await store.add(ME, broken(), Facts())  # type: ignore[arg-type]
        assert (files(tmp_path), await ids(store)) == (set(), [])


@pytest.mark.usefixtures("place")
async def test_a_caller_that_leaves_leaves_nothing(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> object:
        yield b"x" * 2_000_000
        begun.set()
        await asyncio.Event().wait()

    async with shop(tmp_path) as store:
        adding = asyncio.create_task(store.add(ME, endless(), Facts()))  # type: ignore[arg-type]
        await begun.wait()
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        assert files(tmp_path) == set()


@pytest.mark.usefixtures("index")
async def test_the_same_content_lies_on_the_disk_once_and_outlives_either(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        mine, yours = await store.add(ME, png(), Facts()), await store.add(YOU, png(), Facts())
    async with shop(tmp_path) as store:
        assert content_of(tmp_path, mine).samefile(content_of(tmp_path, yours))
        await store.delete(ME, mine.id)
        assert await read(store, yours.id, YOU) == png()
        with pytest.raises(ApiError, match="There is no artifact"):
            await store.get(ME, yours.id)


@pytest.mark.usefixtures("index")
@pytest.mark.usefixtures("place")
async def test_what_is_read_while_it_is_deleted_is_read_to_its_end(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, LARGE, Facts())
        reading = (await store.content(ME, made.id)).read()
        first = await anext(reading)
        await store.delete(ME, made.id)
        assert first + b"".join([piece async for piece in reading]) == LARGE
        assert files(tmp_path) == set()


async def test_a_thousand_writes_beside_listings_and_deletes_stay_consistent(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        done = asyncio.Event()

        async def write(number: int) -> None:
            for turn in range(250):
                made = await store.add(ME, b"%d %d" % (number, turn), words(f"turn {turn}"))
                if turn % 2:
                    await store.delete(ME, made.id)

        async def watch() -> int:
            looks = 0
            while not done.is_set():
                page = await store.list(ME, Query(limit=100))
                numbers = [entry.sidecar.created for entry in page.items]
                assert numbers == sorted(numbers, reverse=True)
                assert len({entry.sidecar.id for entry in page.items}) == len(page.items)
                looks += 1
            return looks

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(write(number) for number in range(4)))
        done.set()
        assert await watching > 5
        assert (await store.used(ME)).count == 500
        assert len(files(tmp_path)) == 1000


@pytest.mark.usefixtures("place")
async def test_a_picture_that_cannot_be_drawn_small_is_kept_and_says_why(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        broken, giant = png()[:60], png() + b"\0" * MediaLimits().size
        for content, why in ((broken, "damaged"), (giant, "larger than 20 MiB"), (b"words", "has none")):
            made = await store.add(ME, content, Facts())
            with pytest.raises(ApiError, match=why) as raised:
                await store.thumbnail(ME, made.id)
            assert (raised.value.status, raised.value.code) == (404, "no_thumbnail")
            assert await read(store, made.id) == content


async def test_what_is_too_large_for_memory_is_not_read_at_once(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, pieces(*[b"\0" * 2**20] * (IN_MEMORY // 2**20), b"x"), Facts())
        with pytest.raises(ApiError) as raised:
            await read(store, made.id)
        assert (raised.value.status, raised.value.code) == (413, "artifact_too_large")


async def test_what_happens_is_told(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        told: list[tuple[str, str]] = []
        store.watch(lambda what, sidecar: told.append((what, sidecar.id)))
        made = await store.add(ME, png(), Facts())
        await store.delete(ME, made.id)
        assert told == [(READY, made.id), (DELETED, made.id)]


@pytest.mark.usefixtures("place")
async def test_a_link_is_known_to_both_and_after_a_start_without_index(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        keyframe, clip = await store.add(ME, png(), Facts()), await store.add(ME, b"\0\0\0\x18ftypmp42", Facts())
        assert (await store.link(ME, clip.id, (keyframe.id,))).parents == (keyframe.id,)
        with pytest.raises(ApiError, match="There is no artifact"):
            await store.link(YOU, clip.id, (keyframe.id,))
    (tmp_path / "index.sqlite3").unlink()
    async with shop(tmp_path) as store:
        assert (await store.entry(ME, keyframe.id)).children == (clip.id,)
        assert (await store.get(ME, clip.id)).parents == (keyframe.id,)


# What is noticed


@pytest.mark.parametrize(("content", "at"), [(png(), 100), (LARGE, 5), (LARGE, len(LARGE) - 1)])
async def test_a_byte_that_the_disk_changed_is_never_served(tmp_path: Path, content: bytes, at: int) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, content, Facts())
        good = await store.add(ME, b"good", Facts())
        flip(content_of(tmp_path, made), at)
        with pytest.raises(ApiError) as raised:
            await read(store, made.id)
        assert (raised.value.status, raised.value.code) == (500, "artifact_damaged")
        assert await read(store, good.id) == b"good"
        await store.delete(ME, made.id)
        assert await ids(store) == [good.id]


async def test_good_bytes_are_not_replaced_by_equal_ones_that_the_disk_changed(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        rotten = await store.add(ME, png(), Facts())
        flip(content_of(tmp_path, rotten), 100)
        again = await store.add(ME, png(), Facts())
    async with shop(tmp_path) as store:
        assert await read(store, again.id) == png()


async def damage(root: Path, artifact: Sidecar, how: str) -> str:
    """Spoils an artifact's files -> the trouble that is to be told."""
    meta, content = meta_of(root, artifact), content_of(root, artifact)
    match how:
        case "garbage":
            meta.write_bytes(b"\xff{")
        case "empty":
            meta.write_bytes(b"")
        case "huge":
            meta.write_bytes(meta.read_bytes() + b" " * 2**20)
        case "newer":
            meta.write_text(json.dumps(json.loads(meta.read_text()) | {"version": 99}))
        case "another hash":
            meta.write_text(json.dumps(json.loads(meta.read_text()) | {"sha256": "0" * 64}))
        case "another owner":
            meta.write_text(json.dumps(json.loads(meta.read_text()) | {"owner": YOU}))
        case "link":
            meta.rename(root / "elsewhere")
            meta.symlink_to(root / "elsewhere")
            return SIDECAR_MISSING
        case "missing":
            meta.unlink()
            return SIDECAR_MISSING
        case "no content":
            content.unlink()
            return CONTENT_MISSING
        case "short":
            content.write_bytes(content.read_bytes()[:-1])
            return CONTENT_DAMAGED
    return SIDECAR_DAMAGED


HOW = ("garbage", "empty", "huge", "newer", "another hash", "another owner", "link", "missing", "no content", "short")


@pytest.mark.parametrize("how", HOW)
async def test_what_is_damaged_is_listed_as_such_and_the_others_are_fine(tmp_path: Path, how: str) -> None:
    async with shop(tmp_path) as store:
        bad, good = await store.add(ME, png(), words("bad")), await store.add(ME, png(colour=BLUE), words("good"))
        trouble = await damage(tmp_path, bad, how)
    for _ in range(2):
        async with shop(tmp_path) as store:
            page = await store.list(ME, Query())
            assert [(entry.sidecar.prompt, entry.trouble) for entry in page.items] == [("good", None), ("bad", trouble)]
            assert await ids(store, YOU) == []
            assert await read(store, good.id) == png(colour=BLUE)


@pytest.mark.parametrize("how", ["garbage", "huge", "newer"])
async def test_a_damaged_sidecar_without_an_index_is_shown_to_nobody_else(tmp_path: Path, how: str) -> None:
    async with shop(tmp_path) as store:
        bad, good = await store.add(ME, png(), words("bad")), await store.add(ME, png(colour=BLUE), words("good"))
        trouble = await damage(tmp_path, bad, how)
    (tmp_path / "index.sqlite3").unlink()
    async with shop(tmp_path) as store:
        assert (await ids(store), await ids(store, YOU)) == ([good.id], [])
        (only,) = (await store.list("", Query())).items
        assert (only.sidecar.id, only.sidecar.sha256, only.trouble) == (bad.id, bad.sha256, trouble)


# What is found again


@pytest.mark.parametrize("how", ["lost", "garbage", "newer", "cut short"])
async def test_an_index_that_is_lost_or_damaged_is_made_again(tmp_path: Path, how: str) -> None:
    index = tmp_path / "index.sqlite3"
    async with shop(tmp_path) as store:
        made = [(await store.add(owner, b"%d" % n, words(f"number {n}"))).id for n in range(20) for owner in (ME, YOU)]
        removed = made.pop(4)
        await store.delete(ME, removed)
    match how:
        case "lost":
            index.unlink()
        case "garbage":
            index.write_bytes(b"not an index" * 1000)
        case "newer":
            data = bytearray(index.read_bytes())
            data[60:64] = (99).to_bytes(4, "big")  # SQLite's user_version
            index.write_bytes(data)
        case "cut short":
            index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])
    async with shop(tmp_path) as store:
        mine = await ids(store, limit=100)
        assert sorted((*mine, *await ids(store, YOU, limit=100))) == sorted(made)
        assert mine == [each for each in reversed(made) if each in set(mine)]
        assert len(await ids(store, text="number 7")) == 1
        assert (await store.used(ME)).count == len(mine)


@pytest.mark.usefixtures("place")
async def test_two_processes_use_one_store_and_neither_sweeps_what_the_other_writes(tmp_path: Path) -> None:
    async def slow() -> object:
        yield b"x" * 2_000_000
        async with shop(tmp_path) as other:
            assert await ids(other) == [before.id]
        yield b"y"

    async with shop(tmp_path) as store:
        before = await store.add(ME, png(), Facts())
        made = await store.add(ME, slow(), Facts())  # type: ignore[arg-type]
        assert await read(store, made.id) == b"x" * 2_000_000 + b"y"
        async with shop(tmp_path) as other:
            assert await ids(other) == [made.id, before.id]
            assert store.sign(made.id, 60)[:18] == other.sign(made.id, 60)[:18]


async def test_a_store_that_cannot_be_opened_says_so_and_is_opened_when_it_can(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("in the way")
    async with shop(root) as store:
        with pytest.raises(ApiError) as raised:
            await store.add(ME, png(), Facts())
        assert (raised.value.status, raised.value.code) == (503, "artifacts_unavailable")
        root.unlink()
        made = await store.add(ME, png(), Facts())
        assert await read(store, made.id) == png()
