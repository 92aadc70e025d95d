"""Schemathesis asks what the OpenAPI document allows, and what it does not: no 5xx, and every answer as it says.

Hazard A17 of the list. Of the document the two endless streams of events alone are left out, which others test.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from proxy.endpoints.openapi import PATH
from tests.fakes.faithful_engine import FaithfulEngine
from tests.fakes.video_engine import FakeVideoEngine
from tests.mock.server import Mock, running
from tests.proxy.keyed import keyed
from tests.proxy.process import ROOT
from tests.proxy.stocked import KNOWN, Known, stock
from tests.proxy.world import World, until, world

pytestmark = pytest.mark.anyio
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
KINDS = ["text", "embedding", "rerank", "audio"]
CATALOGUE: dict[str, dict[str, Any]] = {
    "all": {"type": KINDS, "default_for": KINDS, "aliases": ["org/all:1"]},
    "m": {"type": ["image", "edit"], "default_for": ["image", "edit"], "aliases": ["alias"]},
    "clip": {"type": "video", "default_for": "video"},
}
STRICT = ("--generation-allow-x00", "false")
ENDLESS = ("--exclude-path", "/admin/events", "--exclude-path", "/v1/events")
ALWAYS = (*ENDLESS, "--continue-on-failure", "--max-failures", "20", "--request-timeout", "20")
THE_SAME = ("--seed", "1")  # a change is judged by what it did; the long suite looks for new cases
USUAL = (*ALWAYS, "--generation-database", "none", "--warnings", "off", "--no-color")


@dataclass
class Asked:
    """A proxy whose models are all ready at engines that keep the contract."""

    world: World
    engine: FaithfulEngine
    folder: Path
    known: Known

    async def ask(self, *options: str) -> None:
        """Every operation, as schemathesis would ask it. Fails with its report."""
        command = ("-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", f"{self.world.url}{PATH}")
        hooks = {"SCHEMATHESIS_HOOKS": "tests.proxy.schemathesis_hooks", KNOWN: json.dumps(self.known)}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **hooks}
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
        assert asking.returncode == 0, _readable(report)
        assert self.engine.asked > 100, "the engines are reached, and not only refused"
        await until(lambda: "<Traffic 0 in flight>" in repr(self.world.proxy.traffic))


def _readable(report: bytes) -> str:
    """Without the most of each file and text that was sent."""
    return "\n".join(line[:600] for line in report.decode(errors="replace").splitlines())


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    with running(tmp_path_factory.mktemp("mock"), "--types", "image,edit", "--step-seconds", "0") as mock:
        yield mock


@asynccontextmanager
async def ready(w: World, painter: Mock, client: AsyncOpenAI, folder: Path) -> AsyncIterator[Asked]:
    async with FaithfulEngine() as engine, FakeVideoEngine() as filmer:
        w.manager.endpoints.update(all=engine.url, m=painter.base_url, clip=filmer.url)
        await w.manager.change_catalogue(CATALOGUE)
        await until(lambda: w.proxy.feed.directory is not None and "clip" in w.proxy.feed.directory.statuses)
        yield Asked(w, engine, folder, await stock(client))


@pytest.fixture
async def with_keys(tmp_path: Path, painter: Mock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Asked, str]]:
    """And an admin's key. Each operation is asked with bad ones, too: more than are borne from one address."""
    monkeypatch.setattr("proxy.company.BAD_KEYS_PER_MINUTE", 10_000)
    async with keyed(tmp_path) as k:
        key = await k.make(admin=True)
        async with ready(k.world, painter, k.sdk(key), tmp_path) as asked:
            yield asked, f"Authorization: Bearer {key.text}"


@pytest.fixture
async def without_keys(tmp_path: Path, painter: Mock) -> AsyncIterator[Asked]:
    async with world(tmp_path) as w, ready(w, painter, w.client, tmp_path) as asked:
        yield asked


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
