"""Fetching weights where the hub, the line to it, the disk or somebody here will not have it."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from manager.specification import EngineError
from manager.weights.cache_layout import unfinished_mark
from tests.fakes.hub import COMMIT, FakeHub
from tests.manager.hub_kit import FILES, entry, fetch, hub_in, quiet, store_in

pytestmark = pytest.mark.anyio


async def test_a_fetch_whose_line_breaks_twice_goes_on_where_it_stopped(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.files["model.safetensors"] = bytes(6 * 2**20)
    served.cuts, served.cut_after = 2, 2 * 2**20
    told = await fetch(hub_in(tmp_path, served, monkeypatch))
    assert told[-1][0] == 6 * 2**20 + 2
    assert sorted(asked for asked in served.ranges if asked) == [f"bytes={2 * 2**20}-", f"bytes={4 * 2**20}-"]


async def test_a_fetch_that_was_ended_is_gone_on_with_by_the_next_program(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    part = tmp_path / "hub/models--org--tiny/blobs" / f"{blob}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES["model.safetensors"][:1000])
    told = await fetch(hub_in(tmp_path, served, monkeypatch))
    assert told[0][0] == 1000
    assert "bytes=1000-" in served.ranges
    store_in(tmp_path).verify(entry(), quiet)


async def test_a_fetch_that_failed_between_two_files_is_gone_on_with_and_not_taken_for_weights(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.refusals["model.safetensors"] = [403]  # the configuration is given, and arrives
    hub = hub_in(tmp_path, served, monkeypatch)
    store = store_in(tmp_path)
    model = entry()
    with pytest.raises(EngineError, match="forbids it to this account"):
        await fetch(hub)
    assert unfinished_mark(tmp_path / "hub/models--org--tiny", COMMIT).exists()
    assert store.find(model) is None
    await fetch(hub)
    assert store.verified(model).size == len(FILES["model.safetensors"])


async def test_a_token_that_is_none_is_refused_and_not_shown(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="HF_TOKEN has characters") as refused:
        await fetch(hub_in(tmp_path, served, monkeypatch, token="hf_ca nary"))
    assert "nary" not in str(refused.value)
    assert served.requests == []


async def test_a_fetching_program_that_breaks_is_told_with_its_last_words(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_in(tmp_path, served, monkeypatch)
    hub.environment["PYTHONHOME"] = "/nowhere"
    with pytest.raises(EngineError, match=r"the fetch of org/tiny failed: .+") as broken:
        await fetch(hub)
    assert broken.value.failure.code == "fetch_failed"


async def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub").write_text("no folder")
    with pytest.raises(EngineError, match="Not a directory") as broken:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert broken.value.failure.code == "fetch_failed"


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, "weights_gated", "does not accept the token"),
        (403, "weights_gated", "forbids it to this account"),
        (404, "weights_missing", "check `source`"),
    ],
)
async def test_what_the_hub_refuses_is_told_at_once_with_what_to_do(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch, status: int, code: str, says: str
) -> None:
    served.refusals[""] = [status] * 2
    with pytest.raises(EngineError, match=says) as refused:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert refused.value.failure.code == code
    assert served.refusals[""] == [status]  # one try


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_the_hub_refuses_for_a_moment_is_asked_again(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    served.refusals = {"": [status], "model.safetensors": [status, status]}
    assert (await fetch(hub_in(tmp_path, served, monkeypatch)))[-1][0] > 0


async def test_a_hub_that_refuses_for_good_says_so_and_what_is_here_is_kept(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.refusals["model.safetensors"] = [503] * 100
    with pytest.raises(EngineError, match="answers with status 503; what is here is kept") as lost:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert lost.value.failure.code == "hub_unreachable"


async def test_a_disk_that_fills_meanwhile_is_told_with_what_is_missing(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    blobs = tmp_path / "hub/models--org--tiny/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{blob}.incomplete").symlink_to("/dev/full")
    with pytest.raises(EngineError, match=r"is full, and 1 MiB of org/tiny are missing") as full:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert full.value.failure.code == "disk_full"
    (blobs / f"{blob}.incomplete").unlink()
    await fetch(hub_in(tmp_path, served, monkeypatch))
    store_in(tmp_path).verify(entry(), quiet)


async def test_a_fetch_that_the_disk_has_no_room_for_is_not_begun(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = os.statvfs(tmp_path).f_frsize * os.statvfs(tmp_path).f_bavail
    served.told_sizes["model.safetensors"] = 2 * free
    with pytest.raises(EngineError, match=r"are free in .*: make room for") as full:
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert full.value.failure.code == "disk_full"
    assert not any("model.safetensors" in path for path in served.requests)


async def test_an_unknown_repository_says_what_to_check(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="check `source`"):
        await fetch(hub_in(tmp_path, served, monkeypatch), "org/nope")


async def test_offline_nothing_is_asked_of_the_hub(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="HF_HUB_OFFLINE"):
        await fetch(hub_in(tmp_path, served, monkeypatch, offline=True))
    assert served.tokens == set()


async def test_a_fetch_that_nobody_wants_any_more_is_ended(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching = asyncio.create_task(fetch(hub_in(tmp_path, served, monkeypatch)))
    await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching


@pytest.mark.parametrize(
    "name", ["../../../elsewhere.json", "/elsewhere.json", "deep/../../elsewhere.json", "..\\\\x.json"]
)
async def test_a_hub_cannot_have_files_written_outside_its_cache(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    served.files[name] = b"{}"
    with pytest.raises(EngineError, match="would lie elsewhere"):
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert not (tmp_path / "hub").exists()


async def test_a_hub_cannot_name_a_commit_that_leads_elsewhere(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.commit = "../../elsewhere"
    with pytest.raises(EngineError, match="names no commit of org/tiny at main"):
        await fetch(hub_in(tmp_path, served, monkeypatch))
    assert not (tmp_path / "hub").exists()
