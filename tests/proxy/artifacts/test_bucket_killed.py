"""kill -9 before every question to a bucket's server: what is found afterwards is whole, or absent."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from proxy.artifacts.facts import Facts
from proxy.artifacts.folder import MARK
from tests.fakes.pictures import BLUE, png
from tests.proxy.artifacts.buckets import Bucket
from tests.proxy.artifacts.shop import ME, shop
from tests.proxy.artifacts.test_killed import look, run
from tests.proxy.process import ROOT

pytestmark = pytest.mark.anyio

LITTLE, ENOUGH = 4, 20  # steps: none of these would be worth the name


def beside(bucket: Bucket, name: str) -> Bucket:
    return Bucket(str(bucket.place.endpoint), f"{bucket.place.prefix.rstrip('/')}-{name}/")


def another(bucket: Bucket, source: Path, root: Path) -> Bucket:
    """The same store once more: what is on the disk, and what is in the bucket."""
    shutil.copytree(source, root)
    made = beside(bucket, root.name)
    for name in (*bucket.names(), MARK):
        made.save(name, bucket.load(name))
    made.note(root)
    return made


@pytest.mark.parametrize("verb", ["add_parts", "remove"])
async def test_killed_before_any_question_it_is_whole_or_absent(tmp_path: Path, bucket: Bucket, verb: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    bucket.note(source)
    async with shop(source) as store:
        before = (await store.add(ME, png(colour=BLUE), Facts(prompt="before"))).id
        if verb == "remove":
            await store.add(ME, png(), Facts(prompt="small", poster=png(8, 8)))
    what = (sys.executable, "-m", "tests.proxy.artifacts.killed")
    program = await asyncio.create_subprocess_exec(*what, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    outcomes = set()
    try:
        another(bucket, source, tmp_path / "whole")
        total = int(await run(program, tmp_path / "whole", verb, 0))
        assert LITTLE <= total < ENOUGH
        for step in range(1, total + 1):
            root = tmp_path / f"killed-{step}"
            made = another(bucket, source, root)
            assert await run(program, root, verb, step) == "killed"
            outcomes.add(len(await look(root, before)))
            assert made.parts_under_way() == 0
    finally:
        await program.communicate(b"")  # with which its input ends
    assert outcomes == {1}  # the last question is the one with which it is there, or the first with which it is not
