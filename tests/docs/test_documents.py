"""README, ARCHITECTURE and CHANGELOG say what is so."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from cli.app import app
from cli.settings import CliSettings
from contract.capabilities import ENDPOINT_TYPES
from contract.catalogue import ModelEntry
from contract.catalogue_file import parse_catalogue
from manager.engines import ENGINES, engine_for
from manager.settings import ManagerSettings
from proxy.settings import Settings as ProxySettings
from tests.docs.markdown import README, ROOT, blocks_of, first_cells, links_of, section_of

DOCUMENTS = tuple(sorted(ROOT.glob("*.md")))
COMPOSE = "\n".join(file.read_text() for file in ROOT.glob("docker-compose*.yml"))
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[=;<> \[]", requirement)[0] for requirement in requirements}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    missing = [link for link in links_of(document) if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_files_and_folders_that_are_named_exist(document: Path) -> None:
    rooms = "|".join(("contract", "manager", "proxy", "cli", "images", "static", "tests", "benchmarks"))
    named = re.findall(rf"`((?:{rooms})/[\w./-]*)`", document.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_every_setting_that_is_named_exists() -> None:
    fields = {*CliSettings.model_fields, *ManagerSettings.model_fields, *ProxySettings.model_fields}
    known = {f"ROUNDHOUSE_{name.upper()}" for name in fields}
    for document in DOCUMENTS:
        named = set(re.findall(r"ROUNDHOUSE_[A-Z0-9_]+", document.read_text()))
        assert named <= known, f"{document.name} names {sorted(named - known)}"


def test_the_defaults_of_the_settings_table_are_the_settings_defaults() -> None:
    defaults: dict[str, object] = {}
    for kind in (CliSettings, ManagerSettings, ProxySettings):
        defaults |= {f"ROUNDHOUSE_{name.upper()}": field.default for name, field in kind.model_fields.items()}
    rows = re.findall(r"^\| `(ROUNDHOUSE_\w+)` \| `([\w./-]+)` \|", section_of(README, "Settings"), re.MULTILINE)
    assert len(rows) > 8
    for name, said in rows:
        default = defaults[name]
        if default is not None and not said.endswith("GiB"):
            assert said == f"{default:g}" if isinstance(default, float) else said == str(default), name


def test_the_settings_of_compose_have_the_same_defaults() -> None:
    said = dict(re.findall(r"^\| `(ROUNDHOUSE_\w+)` \| `([\w.:/-]+)` \|", README.read_text(), re.MULTILINE))
    used = dict(re.findall(r"\$\{(ROUNDHOUSE_\w+):-([^}]+)\}", COMPOSE))
    for name, default in used.items():
        assert said[name] == default.removeprefix("./"), name


def test_every_setting_of_manager_and_proxy_that_is_told_reaches_their_containers() -> None:
    told = {name for name in first_cells(section_of(README, "Settings")) if name.startswith("ROUNDHOUSE_")}
    ours = told - {f"ROUNDHOUSE_{name.upper()}" for name in CliSettings.model_fields}
    assert len(ours) > 20
    # A file of this machine is in no container unless it is mounted there.
    there = set(re.findall(r"^ +(ROUNDHOUSE_\w+):", COMPOSE, re.MULTILINE))
    assert {name for name in ours if not name.endswith("_FILE")} <= there


def test_every_dependency_has_its_row_and_no_row_is_idle() -> None:
    rows = set(first_cells(section_of(README, "Dependencies, each with its reason"))) - {"package"}
    assert rows == names_of(PROJECT["dependencies"])


def test_every_development_dependency_is_named() -> None:
    section = section_of(README, "Dependencies, each with its reason").partition("development:")[2]
    assert set(re.findall(r"`([^`]+)`", section)) == names_of(PROJECT["optional-dependencies"]["dev"])


def test_the_table_of_models_json_has_every_key_and_no_other() -> None:
    rows = set(first_cells(section_of(README, "models.json")))
    assert rows - {"text", "vllm"} == set(ModelEntry.model_fields)


def test_the_table_of_endpoints_is_the_capability_table() -> None:
    told: dict[str, set[str]] = {}
    for paths, kinds in re.findall(r"^\| (`/v1/.*?) \| (.*) \|$", section_of(README, "Use it"), re.MULTILINE):
        told |= {path: set(re.findall(r"`(\w+)`", kinds)) for path in re.findall(r"`(/v1/[\w/]+)`", paths)}
    assert told == {path: set(types) for path, types in ENDPOINT_TYPES.items()}


def test_the_examples_of_models_json_are_valid() -> None:
    examples = blocks_of(README, "json")
    assert len(examples) == 2
    for example in examples:
        models = parse_catalogue(example.text.encode()).models
        assert set(models) == set(json.loads(example.text))
        for name, entry in models.items():
            kind = engine_for(ENGINES, entry.type, entry.engine)
            assert kind is not None
            assert kind.problem_with(entry) is None, name


def test_every_verb_of_the_command_is_shown_and_every_shown_verb_exists() -> None:
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    verbs |= {str(group.name) for group in app.registered_groups}
    shown = set(re.findall(r"^\./setup\.sh (\w+)", "\n".join(block.text for block in blocks_of(README, "bash")), re.M))
    assert shown == verbs - {"setup"}


def test_the_development_lock_holds_all_of_the_other() -> None:
    pins = re.compile(r"^[\w.-]+==\S+", re.MULTILINE)
    product, development = (set(pins.findall((ROOT / name).read_text())) for name in LOCKS)
    assert product <= development


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert f"roundhouse:{version}" in COMPOSE


def test_ci_runs_the_command_that_people_run() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines() == ["#!/usr/bin/env bash", "exec ./setup.sh test"]


def test_the_line_ends_are_those_that_each_system_wants() -> None:
    assert b"\r" not in (ROOT / "setup.sh").read_bytes()
    windows = (ROOT / "setup.cmd").read_bytes()
    assert windows.count(b"\n") == windows.count(b"\r\n")
