"""A store on a disk of one megabyte, which it mounts at ROOT; it prints what it met as JSON.

unshare --mount python -m tests.proxy.artifacts.small_disk ROOT
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from contract.errors import ApiError
from proxy.artifacts.facts import Facts
from proxy.artifacts.store import ArtifactStore
from tests.proxy.artifacts.shop import ME, files, ids, pieces, shop, words

SIZES = (60_000, 9_000, 500)


async def fill(store: ArtifactStore) -> dict[str, int]:
    """With ever smaller ones until not one more fits -> how each attempt ended."""
    outcomes: dict[str, int] = {}
    for size in SIZES:
        for number in range(2000):
            outcome = await attempt(store, os.urandom(size), words(f"number {number}"))
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if outcome != "kept":
                break
    return outcomes


async def attempt(store: ArtifactStore, content: bytes, facts: Facts) -> str:
    try:
        await store.add(ME, content, facts)
    except ApiError as error:
        return f"{error.status} {error.code}"
    return "kept"


async def all_ids(store: ArtifactStore) -> list[str]:
    found: list[str] = []
    while True:
        more = await ids(store, limit=100, after=found[-1] if found else None)
        if not more:
            return found
        found += more


async def is_sound(store: ArtifactStore, root: Path) -> bool:
    """Every file belongs to an artifact that is listed, and all of them can be read."""
    there = await all_ids(store)
    for each in there:
        await (await store.content(ME, each)).read_all()
    return {name.partition(".")[0] for name in files(root)} == set(there)


async def main(root: Path) -> dict[str, Any]:
    met: dict[str, Any] = {}
    async with shop(root) as store:
        met["filled"] = await fill(store)
        met["stream"] = None
        try:
            await store.add(ME, pieces(*[b"x" * 100_000] * 20), Facts())
        except ApiError as error:
            met["stream"] = f"{error.status} {error.code}"
        met["sound when full"] = await is_sound(store, root)
    async with shop(root) as store:
        met["sound after a start"] = await is_sound(store, root)
        oldest = await ids(store, oldest_first=True, limit=4)
        for each in oldest:
            await store.delete(ME, each)
        met["after deletion"] = await attempt(store, os.urandom(60_000), words("again"))
        met["sound again"] = await is_sound(store, root)
    return met


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", sys.argv[1]], check=True)
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
