"""A store with its files in a bucket: what differs from files on the disk, at a real server."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from contract.artifacts import Sidecar
from contract.errors import ApiError
from proxy.access.signed import Signatures
from proxy.artifacts.bucket.folder import BucketFolder
from proxy.artifacts.bucket.line import Line
from proxy.artifacts.bucket.place import BucketPlace, Credentials
from proxy.artifacts.examine import CONTENT_DAMAGED, CONTENT_MISSING, SIDECAR_DAMAGED, SIDECAR_MISSING, UNREACHABLE
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.folder import MARK
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.names import new_id
from proxy.artifacts.staging import BLOCK
from proxy.artifacts.store import ArtifactStore
from proxy.media.decoder import Decoder
from proxy.media.limits import MediaLimits
from tests.fakes.pictures import BLUE, png
from tests.proxy.artifacts.buckets import OWNER, READER, Bucket
from tests.proxy.artifacts.s3_server import S3Server
from tests.proxy.artifacts.shop import ME, YOU, ids, pieces, shop, words
from tests.proxy.world import world

pytestmark = pytest.mark.anyio

LARGE = bytes(range(251)) * 80_000  # three parts, and no two of its blocks are equal
PATIENCE = 30.0


def store_at(root: Path, place: BucketPlace, grace: float = 0.0) -> ArtifactStore:
    folder = BucketFolder(root, place, grace)
    return ArtifactStore(root, StoreLimits(), Signatures(), Decoder(MediaLimits()), folder=folder)


async def read(store: ArtifactStore, artifact_id: str, owner: str = ME) -> bytes:
    return await (await store.content(owner, artifact_id)).read_all()


async def refusal(work: Awaitable[object]) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await work
    return raised.value


async def patiently(work: Callable[[], Awaitable[Sidecar]]) -> Sidecar:
    """What is refused with 503 is tried again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await work()
            except ApiError as error:
                if error.status != 503:
                    raise
                await asyncio.sleep(0.1)


async def test_what_is_kept_is_in_the_bucket_as_it_would_be_on_the_disk(tmp_path: Path, bucket: Bucket) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, png(), Facts(prompt="small", poster=png(8, 8)))
        large = await store.add(ME, pieces(LARGE[:100], LARGE[100:]), Facts())
    assert bucket.names() == {
        *(f"images/{made.id}{end}" for end in (".png", ".meta.json", ".thumb")),
        *(f"files/{large.id}{end}" for end in (".bin", ".meta.json", ".blocks")),
    }
    assert bucket.load(f"images/{made.id}.png") == png()
    assert Sidecar.model_validate_json(bucket.load(f"images/{made.id}.meta.json")) == made
    assert not any((tmp_path / "staging").iterdir())


async def test_a_large_content_comes_in_parts_and_goes_block_by_block(tmp_path: Path, bucket: Bucket) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, pieces(LARGE), Facts())
        head = bucket.line.ask("head_object", Key=bucket.place.prefix + bucket.name(".bin"))
        assert head["ETag"].endswith('-3"')
        assert bucket.parts_under_way() == 0
        file = await store.content(ME, made.id)
        for start, end in (
            (0, 1),
            (BLOCK - 1, BLOCK + 1),
            (9 * BLOCK, 12 * BLOCK),
            (len(LARGE) - 3, len(LARGE)),
            (5, 5),
        ):
            assert b"".join([piece async for piece in file.read(start, end)]) == LARGE[start:end]
        assert await read(store, made.id) == LARGE


async def test_what_changed_between_disk_and_bucket_is_not_kept(tmp_path: Path, bucket: Bucket) -> None:
    async with shop(tmp_path) as store:

        async def changed() -> object:
            yield LARGE
            (staged,) = (tmp_path / "staging").iterdir()
            with staged.open("r+b") as file:
                file.seek(5)
                file.write(b"?")

        assert (await refusal(store.add(ME, changed(), Facts()))).status == 503  # type: ignore[arg-type]
        assert (bucket.names(), bucket.parts_under_way(), await ids(store)) == (set(), 0, [])


async def test_a_caller_that_leaves_while_it_is_sent_leaves_nothing(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending, ask = asyncio.Event(), Line.ask
    loop = asyncio.get_running_loop()

    def slow(line: Line, what: str, **asked: object) -> object:
        if what == "complete_multipart_upload":
            loop.call_soon_threadsafe(sending.set)
            time.sleep(0.2)
        return ask(line, what, **asked)

    async with shop(tmp_path) as store:
        monkeypatch.setattr(Line, "ask", slow)
        adding = asyncio.create_task(store.add(ME, LARGE, Facts()))
        await sending.wait()
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        assert (bucket.names(), await ids(store)) == (set(), [])


async def test_the_same_content_of_two_owners_is_each_ones_own(tmp_path: Path, bucket: Bucket) -> None:
    async with shop(tmp_path) as store:
        mine, yours = await store.add(ME, png(), Facts()), await store.add(YOU, png(), Facts())
        assert (await refusal(store.content(ME, yours.id))).status == 404
        await store.delete(ME, mine.id)
        assert await read(store, yours.id, YOU) == png()
        assert not any(mine.id in name for name in bucket.names())


@pytest.mark.parametrize(("content", "at"), [(png(), 100), (LARGE, 5), (LARGE, len(LARGE) - 1)])
async def test_a_byte_that_changed_in_the_bucket_is_never_served(
    tmp_path: Path, bucket: Bucket, content: bytes, at: int
) -> None:
    async with shop(tmp_path) as store:
        made, good = await store.add(ME, content, words("bad")), await store.add(ME, b"good", words("good"))
        bucket.flip(bucket.name(made.id + (".png" if content == png() else ".bin")), at)
        error = await refusal(read(store, made.id))
        assert (error.status, error.code) == (500, "artifact_damaged")
        assert [entry.sidecar.id async for entry in store.scrub()] == [made.id]
        assert await read(store, good.id) == b"good"


async def test_what_is_damaged_is_told_of_it_and_of_nothing_else(tmp_path: Path, bucket: Bucket) -> None:
    def spoil(made: Sidecar, how: str) -> None:
        meta, content = bucket.name(made.id + ".meta.json"), bucket.name(made.id + ".png")
        match how:
            case _ if how == SIDECAR_MISSING:
                bucket.drop(meta)
            case _ if how == SIDECAR_DAMAGED:
                bucket.save(meta, bucket.load(meta) + b" " * 2**20)
            case _ if how == CONTENT_MISSING:
                bucket.drop(content)
            case _:
                bucket.save(content, bucket.load(content)[:-1])

    async with shop(tmp_path) as store:
        for how in (SIDECAR_MISSING, SIDECAR_DAMAGED, CONTENT_MISSING, CONTENT_DAMAGED):
            bad, good = await store.add(ME, png(), Facts()), await store.add(ME, png(colour=BLUE), Facts())
            spoil(bad, how)
            assert (await store.entry(ME, bad.id)).trouble == how
            assert (await store.entry(ME, good.id)).trouble is None


async def test_a_lost_index_is_made_again_from_the_bucket(tmp_path: Path, bucket: Bucket) -> None:
    async with shop(tmp_path) as store:
        made = [(await store.add(owner, b"%d" % n, words(f"number {n}"))).id for n in range(12) for owner in (ME, YOU)]
        await store.delete(ME, made.pop(4))
    (tmp_path / "index.sqlite3").unlink()
    garbled = next(name for name in bucket.names() if name.endswith(f"{made[0]}.meta.json"))
    bucket.save(garbled, b"\xff{")
    async with shop(tmp_path) as store:
        mine, yours = await ids(store, limit=100), await ids(store, YOU, limit=100)
        assert sorted((*mine, *yours)) == sorted(made[1:])
        assert mine == [each for each in reversed(made) if each in set(mine)]
        assert await ids(store, "") == [made[0]]  # whose it was nobody knows
        assert len(await ids(store, text="number 7")) == 1


async def test_only_leftovers_of_our_own_are_swept_and_no_young_ones(tmp_path: Path, bucket: Bucket) -> None:
    others = {"images/readme.txt", f"images/{new_id()}.png.bak~", f"elsewhere/{new_id()}.png", f"{new_id()}.png"}
    leftovers = {f"images/{new_id()}.png", f"files/{new_id()}.blocks"}
    for name in others | leftovers:
        bucket.save(name, b"x")
    for name in (f"files/{new_id()}.bin", "files/of-another"):
        bucket.line.ask("create_multipart_upload", Key=bucket.place.prefix + name)
    neighbour = Bucket(str(bucket.place.endpoint), bucket.place.prefix.rstrip("/") + "0/")
    neighbour.save(f"images/{new_id()}.png", b"x")
    for grace, left, under_way in ((3600.0, others | leftovers, 2), (0.0, others, 1)):
        store = store_at(tmp_path, bucket.place, grace)
        await store.open()
        await store.close()
        assert (bucket.names(), bucket.parts_under_way()) == (left, under_way)
    assert len(neighbour.names()) == 1


async def test_an_index_of_another_bucket_is_refused_and_nothing_of_either_is_lost(
    tmp_path: Path, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, png(), Facts())
    other = Bucket(str(bucket.place.endpoint), bucket.place.prefix + "other/")
    other.save(MARK, b"another")
    for place, count in ((other.place, 0), (bucket.place, 1)):
        store = store_at(tmp_path, place)
        await store.open()
        if not count:
            assert (await refusal(store.list(ME, Query()))).status == 503
            assert "or the right bucket named?" in caplog.text
        else:
            assert await ids(store) == [made.id]
            assert await read(store, made.id) == png()
        await store.close()


async def test_files_that_were_out_of_reach_for_a_start_are_there_again(tmp_path: Path, bucket: Bucket) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, png(), words("before"))
    kept = {name: bucket.load(name) for name in bucket.names()}
    for name in kept:
        bucket.drop(name)
    async with shop(tmp_path) as store:
        assert await ids(store) == []
    for name, data in kept.items():
        bucket.save(name, data)
    async with shop(tmp_path) as store:
        assert await ids(store) == [made.id]
        assert await read(store, made.id) == png()


# A server that is away, and one that refuses


async def test_a_server_that_dies_is_told_and_all_goes_on_when_it_is_back(
    tmp_path: Path, bucket: Bucket, s3_server: S3Server
) -> None:
    async with shop(tmp_path) as store:
        made, gone = await store.add(ME, png(), words("first")), await store.add(ME, b"gone", Facts())
        s3_server.kill()
        try:
            for work in (store.add(ME, b"more", Facts()), store.content(ME, made.id), store.add(ME, LARGE, Facts())):
                error = await refusal(work)
                assert (error.status, error.code) == (503, "artifacts_unavailable")
                assert error.headers["retry-after"] == "5"
            await store.delete(ME, gone.id)
            assert [entry.sidecar.id for entry in (await store.list(ME, Query())).items] == [made.id]
            assert (await store.entry(ME, made.id)).trouble == UNREACHABLE
            assert not any((tmp_path / "staging").iterdir())
        finally:
            await s3_server.restart()
        again = await patiently(lambda: store.add(ME, b"again", Facts()))
        assert (await read(store, made.id), await read(store, again.id)) == (png(), b"again")
        await store.sweep()
        assert not any(gone.id in name for name in bucket.names())


async def test_a_start_without_the_server_is_made_up_for(tmp_path: Path, bucket: Bucket, s3_server: S3Server) -> None:
    s3_server.stop()
    try:
        store = store_at(tmp_path, s3_server.place(bucket.place.prefix, timeout=0.2))
        began = time.monotonic()
        await store.open()
        refused = [await refusal(store.add(ME, b"x", Facts())) for _ in range(20)]
        assert {error.status for error in refused} == {503}
        assert time.monotonic() - began < 10
    finally:
        s3_server.go_on()
    made = await patiently(lambda: store.add(ME, b"x", Facts()))
    assert await ids(store) == [made.id]
    await store.close()


STRANGER = Credentials(OWNER.access_key, SecretStr("a-wrong-secret"))
WRONG = (
    ({"credentials": STRANGER}, "ROUNDHOUSE_S3_SECRET_KEY"),
    ({"bucket": "not-there"}, "ROUNDHOUSE_S3_BUCKET"),
    ({"credentials": Path("/nowhere/at/all")}, "ROUNDHOUSE_S3_CREDENTIALS_FILE"),
)


@pytest.mark.parametrize(("wrong", "named"), WRONG)
async def test_a_start_with_wrong_settings_names_them_and_no_secret(
    tmp_path: Path, s3_server: S3Server, wrong: dict[str, object], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"bucket": "kept", "credentials": OWNER, "endpoint": s3_server.url, "prefix": "p/"} | wrong
    place = BucketPlace(**values)  # type: ignore[arg-type]
    store = store_at(tmp_path, place)
    with caplog.at_level(logging.DEBUG, "roundhouse"):
        await store.open()
        error = await refusal(store.add(ME, b"x", Facts()))
    await store.close()
    assert (error.status, error.code) == (503, "artifacts_unavailable")
    assert named in caplog.text
    for secret in (STRANGER.secret_key, OWNER.secret_key):
        assert secret.get_secret_value() not in caplog.text + repr(place) + error.message


async def test_credentials_that_may_only_read_are_told_at_the_first_write(
    tmp_path: Path, s3_server: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_at(tmp_path, s3_server.place("reader/", READER))
    assert (await refusal(store.add(ME, b"x", Facts()))).status == 503
    assert "does not allow put_object" in caplog.text
    await store.close()


# Through the proxy


async def test_a_real_client_reads_ranges_and_no_more_is_fetched(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    keys = (OWNER.access_key.get_secret_value(), OWNER.secret_key.get_secret_value())
    credentials.write_text("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n".format(*keys))
    where = {"s3_bucket": bucket.place.bucket, "s3_endpoint": bucket.place.endpoint, "s3_prefix": bucket.place.prefix}
    fetched: list[tuple[str, int, int | None]] = []
    fetch = Line.fetch

    def spied(line: Line, key: str, start: int, stop: int | None) -> object:
        fetched.append((key.rpartition(".")[2], start, stop))
        return fetch(line, key, start, stop)

    async with (
        world(tmp_path, **where, s3_credentials_file=credentials) as w,
        httpx.AsyncClient(base_url=w.url, trust_env=False) as client,
    ):
        made = (await client.post("/v1/artifacts", files={"file": ("large.bin", LARGE)})).json()
        monkeypatch.setattr(Line, "fetch", spied)
        wanted = {"range": f"bytes={2 * BLOCK + 5}-{3 * BLOCK + 4}"}
        part = await client.get(made["content_url"], headers=wanted)
        assert (part.status_code, part.content) == (206, LARGE[2 * BLOCK + 5 : 3 * BLOCK + 5])
        assert [each for each in fetched if each[0] == "bin"] == [("bin", 2 * BLOCK, 4 * BLOCK)]
        whole = await client.get(made["content_url"])
        assert (whole.content, whole.headers["etag"]) == (LARGE, f'"{made["sha256"]}"')
        again = await client.get(made["content_url"], headers={"if-none-match": whole.headers["etag"]})
        assert again.status_code == 304
        assert (await client.delete(f"/v1/artifacts/{made['id']}")).status_code == 200
    assert bucket.names() == set()
