"""Fetching weights from a hub on loopback."""

from pathlib import Path

import pytest

from manager.settings import ManagerSettings
from manager.specification import EngineError
from tests.fakes.hub import COMMIT, FakeHub
from tests.manager.hub_kit import FILES, entry, fetch, hub_in, store_in

pytestmark = pytest.mark.anyio


async def test_weights_arrive_in_the_hubs_cache_layout_and_code_and_pickles_do_not(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await fetch(hub_in(tmp_path, served, monkeypatch))
    total = len(FILES["model.safetensors"]) + len(FILES["config.json"])
    assert told[-1] == (total, total)
    store = store_in(tmp_path)
    weights = store.verified(entry())
    assert weights.path == f"/hub/models--org--tiny/snapshots/{COMMIT}"
    names = {file.name for file in (tmp_path / "hub/models--org--tiny/snapshots" / COMMIT).iterdir()}
    assert names == {"model.safetensors", "config.json"}
    assert "Bearer hf_canary" in served.tokens


async def test_the_hubs_own_names_of_commits_point_to_what_is_whole(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_in(tmp_path, served, monkeypatch)
    reference = tmp_path / "hub/models--org--tiny/refs/main"
    served.refusals["model.safetensors"] = [403]
    with pytest.raises(EngineError):
        await fetch(hub)
    assert not reference.exists()
    await fetch(hub)
    assert reference.read_text() == COMMIT


async def test_the_token_of_a_login_reaches_the_hub_and_not_the_manager(
    tmp_path: Path, served: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("hf_of_a_login\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    hub = hub_in(tmp_path, served, monkeypatch, token=None)
    await fetch(hub)
    assert served.tokens == {"Bearer hf_of_a_login"}
    assert "hf_of_a_login" not in repr((hub.environment, ManagerSettings()))
