"""How much is kept, and for how long: full disks, quotas, ends, and clocks that somebody sets."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from contract.errors import ApiError
from proxy.artifacts.clock import TwoClocks
from proxy.artifacts.facts import Facts
from proxy.artifacts.store import ArtifactStore
from tests.proxy.artifacts.shop import ME, YOU, files, ids, pieces, shop
from tests.proxy.clock import Clock
from tests.proxy.process import ROOT

pytestmark = pytest.mark.anyio

DAY = 86_400.0


# Root may mount by itself, whoever else where the kernel lets people be the root of a namespace.
OWN_MOUNTS = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))
NO_MOUNTS = (
    "This test mounts a disk of one megabyte, and may not: run it as root (in a container with --cap-add SYS_ADMIN "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined), or let people have user namespaces."
)


async def own_mounts(folder: Path) -> tuple[str, ...]:
    """The words before a command that give it mounts of its own, which end with it."""
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder))
    said = b""
    for words in OWN_MOUNTS:
        program = await asyncio.create_subprocess_exec(*words, *mount, stderr=asyncio.subprocess.PIPE)
        said += (await program.communicate())[1]
        if program.returncode == 0:
            return words
    pytest.fail(f"{NO_MOUNTS} It said: {said.decode(errors='replace')}")


async def test_a_full_disk_is_told_loses_nothing_and_recovers(tmp_path: Path) -> None:
    alone = await own_mounts(tmp_path)
    what = (sys.executable, "-m", "tests.proxy.artifacts.small_disk", str(tmp_path))
    program = await asyncio.create_subprocess_exec(*alone, *what, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    met = json.loads((await program.communicate())[0])
    assert met["filled"].pop("kept") > 3
    assert met["filled"] == {"507 storage_full": 3}
    assert met["stream"] == "507 storage_full"
    assert met["after deletion"] == "kept"
    assert (met["sound when full"], met["sound after a start"], met["sound again"]) == (True, True, True)


async def refused(store: ArtifactStore, owner: str, size: int) -> tuple[int, str | None]:
    with pytest.raises(ApiError) as raised:
        await store.add(owner, b"x" * size, Facts())
    return raised.value.status, raised.value.code


@pytest.mark.usefixtures("index")
async def test_an_owner_has_a_quota_of_bytes_and_gets_it_back(tmp_path: Path) -> None:
    async with shop(tmp_path, quota=1000) as store:
        first = await store.add(ME, b"x" * 600, Facts())
        assert await refused(store, ME, 401) == (507, "quota_exceeded")
        await store.add(ME, b"y" * 400, Facts())
        assert await refused(store, ME, 1) == (507, "quota_exceeded")
        await store.add(YOU, b"x" * 1000, Facts())
        await store.delete(ME, first.id)
        await store.add(ME, b"z" * 600, Facts())
        assert (await store.used(ME)).bytes == 1000
        assert len(files(tmp_path)) == 6


@pytest.mark.usefixtures("index", "place")
async def test_a_quota_is_exact_however_many_ask_at_once(tmp_path: Path) -> None:
    async with shop(tmp_path, quota=1000) as store:
        adding = (store.add(ME, pieces(b"x" * 100), Facts()) for _ in range(30))
        outcomes = await asyncio.gather(*adding, return_exceptions=True)
        assert sum(isinstance(outcome, ApiError) for outcome in outcomes) == 20
        assert (await store.used(ME)).bytes == 1000
        assert len(files(tmp_path)) == 20


@pytest.mark.usefixtures("index")
async def test_an_owner_has_a_number_of_artifacts_and_the_store_a_size(tmp_path: Path) -> None:
    async with shop(tmp_path, count=2, space=1000) as store:
        for _ in range(2):
            await store.add(ME, b"x" * 400, Facts())
        assert await refused(store, ME, 1) == (507, "quota_exceeded")
        assert await refused(store, YOU, 201) == (507, "storage_full")
        await store.add(YOU, b"x" * 200, Facts())


@pytest.mark.usefixtures("index")
async def test_what_has_had_its_time_is_removed_and_nothing_else(tmp_path: Path) -> None:
    async with shop(tmp_path, lifetime=1000.0) as store:
        short = [await store.add(ME, b"x", Facts(lifetime=0.0)) for _ in range(3)]
        long = await store.add(ME, b"x", Facts(lifetime=DAY))
        usual = await store.add(ME, b"x", Facts())
        assert usual.expires == usual.created + 1000.0
        assert await store.sweep() == len(short)
        assert await ids(store) == [usual.id, long.id]
        assert len(files(tmp_path)) == 4
        assert await store.sweep() == 0


@pytest.mark.usefixtures("index")
async def test_sweeps_beside_writes_remove_what_has_ended_and_nothing_else(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        done = asyncio.Event()

        async def sweep() -> int:
            count = 0
            while not done.is_set():
                count += await store.sweep()
            return count + await store.sweep()

        async def write(lifetime: float) -> list[str]:
            return [(await store.add(ME, b"x", Facts(lifetime=lifetime))).id for _ in range(60)]

        sweeping = asyncio.create_task(sweep())
        lasting, ended, more = await asyncio.gather(write(DAY), write(0.0), write(DAY))
        done.set()
        assert await sweeping == len(ended)
        assert set(await ids(store, limit=100)) <= {*lasting, *more}
        assert (await store.used(ME)).count == 120


async def test_without_a_lifetime_nothing_ends(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        assert (await store.add(ME, b"x", Facts())).expires is None


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_is_set_removes_nothing_early(jump: float) -> None:
    wall, steady = Clock(), Clock()
    wall.now = 1000 * DAY
    clocks = TwoClocks(wall, steady)

    def pass_seconds(seconds: float) -> None:
        wall.now += seconds
        steady.now += seconds

    ends = [clocks.stamp() + 3600]
    pass_seconds(60)
    wall.now += jump
    assert clocks.surely() < ends[0]
    ends.append(clocks.stamp() + 3600)
    pass_seconds(60)
    assert all(clocks.surely() < end for end in ends)
    wall.now -= jump
    assert all(clocks.surely() < end for end in ends)
    pass_seconds(3600 + abs(jump))
    assert all(clocks.surely() >= end for end in ends)
