"""Schemathesis asks what the OpenAPI document allows, and what it does not: no 5xx, and every answer as it says.

Hazard A17 of the list. Of the document the manager's endless events alone are left out; `test_admin.py` has them.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.endpoints.openapi import PATH
from tests.fakes.faithful_engine import FaithfulEngine
from tests.mock.server import Mock, running
from tests.proxy.keyed import keyed
from tests.proxy.process import ROOT
from tests.proxy.world import World, until, world

pytestmark = pytest.mark.anyio
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
KINDS = ["text", "embedding", "rerank", "audio"]
CATALOGUE: dict[str, dict[str, Any]] = {
    "all": {"type": KINDS, "default_for": KINDS, "aliases": ["org/all:1"]},
    "m": {"type": ["image", "edit"], "default_for": ["image", "edit"], "aliases": ["alias"]},
}
STRICT = ("--generation-allow-x00", "false")
ALWAYS = ("--exclude-path", "/admin/events", "--continue-on-failure", "--max-failures", "20", "--request-timeout", "20")
THE_SAME = ("--seed", "1")  # a change is judged by what it did; the long suite looks for new cases
USUAL = (*ALWAYS, "--generation-database", "none", "--warnings", "off", "--no-color")


@dataclass
class Asked:
    """A proxy whose models are all ready at engines that keep the contract."""

    world: World
    engine: FaithfulEngine
    folder: Path

    async def ask(self, *options: str) -> None:
        """Every operation, as schemathesis would ask it. Fails with its report."""
        command = ("-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", f"{self.world.url}{PATH}")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.proxy.schemathesis_hooks"}
        asking = await asyncio.create_subprocess_exec(
            *(sys.executable, *command, *USUAL, *options),
            cwd=self.folder,
            env=environment,
            stdout=PIPE,
            stderr=STDOUT,
        )
        try:
            report, _ = await asking.communicate()
        finally:
            if asking.returncode is None:
                asking.kill()
        assert asking.returncode == 0, report.decode(errors="replace")[-12_000:]
        assert self.engine.asked > 100, "the engines are reached, and not only refused"
        await until(lambda: "<Traffic 0 in flight>" in repr(self.world.proxy.traffic))


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    with running(tmp_path_factory.mktemp("mock"), "--types", "image,edit", "--step-seconds", "0") as mock:
        yield mock


async def ready(w: World, engine: FaithfulEngine, painter: Mock) -> None:
    w.manager.endpoints.update(all=engine.url, m=painter.base_url)
    await w.manager.change_catalogue(CATALOGUE)
    await until(lambda: w.proxy.feed.directory is not None and "m" in w.proxy.feed.directory.statuses)


@pytest.fixture
async def with_keys(tmp_path: Path, painter: Mock) -> AsyncIterator[tuple[Asked, str]]:
    """And an admin's key, which is one of the store: bad keys from the same address do not lock it out."""
    async with FaithfulEngine() as engine, keyed(tmp_path) as k:
        await ready(k.world, engine, painter)
        key = await k.make(admin=True)
        yield Asked(k.world, engine, tmp_path), f"Authorization: Bearer {key.text}"


@pytest.fixture
async def without_keys(tmp_path: Path, painter: Mock) -> AsyncIterator[Asked]:
    async with FaithfulEngine() as engine, world(tmp_path) as w:
        await ready(w, engine, painter)
        yield Asked(w, engine, tmp_path)


# Without a key whoever makes the first locks all others out, as it should.
CONFORMANCE = ("status_code", "content_type", "response_headers", "response_schema")
OPEN_CHECKS = ("not_a_server_error", "every_answer_is_ours", *(f"{name}_conformance" for name in CONFORMANCE))
OPEN = ("--exclude-operation-id", "post_admin_keys", "--checks", ",".join(OPEN_CHECKS))


async def test_nothing_that_the_document_allows_or_not_is_a_5xx_or_another_answer_than_told(
    with_keys: tuple[Asked, str],
) -> None:
    asked, key = with_keys
    await asked.ask("-H", key, *STRICT, *THE_SAME, "-n", "12")


async def test_nor_is_it_where_no_key_is_asked_for_and_texts_hold_any_character(without_keys: Asked) -> None:
    await without_keys.ask(*OPEN, *THE_SAME, "-n", "6")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nothing_is_a_5xx_in_eight_minutes(with_keys: tuple[Asked, str]) -> None:
    asked, key = with_keys
    await asked.ask("-H", key, *STRICT, "--max-time", "480")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_nothing_is_a_5xx_in_two_minutes_without_keys(without_keys: Asked) -> None:
    await without_keys.ask(*OPEN, "--max-time", "120")
