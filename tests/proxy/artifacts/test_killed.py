"""kill -9 at every step of a write, of a removal and of a start: what is found afterwards is whole, or absent."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from proxy.artifacts.facts import Facts, Query
from tests.fakes.pictures import BLUE, png
from tests.proxy.artifacts.killed import LARGE
from tests.proxy.artifacts.shop import ME, files, ids, shop
from tests.proxy.process import ROOT

pytestmark = pytest.mark.anyio

LITTLE, ENOUGH = 10, 200  # steps: none of these would be worth the name


async def run(program: Process, root: Path, verb: str, step: int) -> str:
    """The number of steps, or "killed"."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{root}\t{verb}\t{step}\n".encode())
    return (await program.stdout.readline()).decode().strip()


async def look(root: Path, before: str) -> list[str]:
    """What is there after a new start: all of it reads as it was kept, and no file is there that belongs to nothing."""
    async with shop(root) as store:
        there = (await store.list(ME, Query())).items
        for entry in there:
            assert entry.trouble is None
            content = await (await store.content(ME, entry.sidecar.id)).read_all()
            assert content == {"before": png(colour=BLUE), "small": png(), "large": LARGE}[entry.sidecar.prompt or ""]
            assert await ids(store, text=entry.sidecar.prompt) == [entry.sidecar.id]
        assert {name.partition(".")[0] for name in files(root)} == {entry.sidecar.id for entry in there}
        assert (await store.used(ME)).count == len(there)
        found = [entry.sidecar.id for entry in there]
        assert before in found
        return found


@pytest.mark.parametrize("verb", ["add", "add_large", "remove", "start"])
async def test_killed_at_any_step_it_is_whole_or_absent(tmp_path: Path, verb: str) -> None:
    source = tmp_path / "source"
    async with shop(source) as store:
        before = (await store.add(ME, png(colour=BLUE), Facts(prompt="before"))).id
        if verb == "remove":
            await store.add(ME, png(), Facts(prompt="small", poster=png(8, 8)))
        if verb == "start":
            (source / "index.sqlite3").unlink(missing_ok=True)
    what = (sys.executable, "-m", "tests.proxy.artifacts.killed")
    program = await asyncio.create_subprocess_exec(*what, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    try:
        outcomes = await kill_at_each_step(program, source, tmp_path, verb, before)
    finally:
        await program.communicate(b"")  # with which its input ends
    assert outcomes == ({1} if verb == "start" else {1, 2})


async def kill_at_each_step(program: Process, source: Path, folder: Path, verb: str, before: str) -> set[int]:
    """How many artifacts were found afterwards."""
    outcomes = set()
    total = int(await run(program, shutil.copytree(source, folder / "whole"), verb, 0))
    assert LITTLE < total < ENOUGH
    for step in range(1, total + 1):
        root = shutil.copytree(source, folder / "killed")
        assert await run(program, root, verb, step) == "killed"
        outcomes.add(len(await look(root, before)))
        shutil.rmtree(root)
    return outcomes
