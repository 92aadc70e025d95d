"""The hub's variables mean what they mean everywhere."""

from pathlib import Path

import pytest

from manager.settings import ManagerSettings, fetch_environment

HUB = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*HUB, *OFFLINE, "ROUNDHOUSE_HUB_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({}, "~/.cache/huggingface/hub"),
        ({"HF_HOME": "/data/hf"}, "/data/hf/hub"),
        ({"HF_HOME": "~/hf"}, "~/hf/hub"),
        ({"HF_HOME": "$HOME/hf"}, "~/hf/hub"),
        ({"HF_HOME": ""}, "~/.cache/huggingface/hub"),
        ({"HF_HOME": "/data/hf", "HF_HUB_CACHE": "/fast/cache"}, "/fast/cache"),
        ({"HUGGINGFACE_HUB_CACHE": "/old/cache"}, "/old/cache"),
        ({"HF_HOME": "/data/hf", "HF_HUB_CACHE": "/fast/cache", "ROUNDHOUSE_HUB_DIR": "/ours"}, "/ours/hub"),
    ],
)
def test_the_cache_is_where_the_hubs_users_have_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], cache: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ManagerSettings().hub_cache == Path(cache).expanduser()


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", "on", "ON"])
@pytest.mark.parametrize("name", OFFLINE)
def test_either_variable_forbids_to_fetch(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert ManagerSettings().hub_offline


@pytest.mark.parametrize(("hub", "transformers"), [("0", "1"), ("", ""), ("", "0"), ("no", "")])
def test_neither_variable_forbids_to_fetch(monkeypatch: pytest.MonkeyPatch, hub: str, transformers: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", hub)
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", transformers)
    assert not ManagerSettings().hub_offline


@pytest.mark.parametrize(
    ("environment", "file"),
    [
        ({"HF_HOME": "/data/hf"}, "/data/hf/token"),
        ({"HF_HOME": "/data/hf", "HF_TOKEN_PATH": "/secret/hub"}, "/secret/hub"),
        ({}, "~/.cache/huggingface/token"),
    ],
)
def test_the_fetching_program_is_told_where_the_token_of_a_login_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], file: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert fetch_environment(ManagerSettings())["HF_TOKEN_PATH"] == str(Path(file).expanduser())


def test_the_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    settings = ManagerSettings()
    assert "hf_canary" not in f"{settings!r} {settings}"
    assert fetch_environment(settings)["HF_TOKEN"] == "hf_canary"
