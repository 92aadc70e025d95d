"""What the store of artifacts costs: writes beside a bare loop, listing and search as it grows, memory of large files.

    python -m benchmarks.artifacts [--folder FOLDER] [--writes 300] [--sizes 1000 10000 100000] [--gibibytes 2]

One run, rounds interleaved. The bare loop makes the same files with the same fsyncs and nothing else. Large stores are
made of files alone and indexed by the store's own start, whose time is told, too. Prints a Markdown table; exit status
1 where a figure is worse than its goal.
"""

import argparse
import asyncio
import hashlib
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.artifact_memory import large_file
from contract.artifacts import ArtifactKind, Sidecar
from proxy.access.signed import Signatures
from proxy.artifacts.facts import Facts, Query
from proxy.artifacts.limits import StoreLimits
from proxy.artifacts.store import ArtifactStore
from proxy.media.decoder import Decoder
from proxy.media.limits import MediaLimits

MEBIBYTE = 2**20
PICTURE = 256 * 2**10  # bytes
ROUNDS = 6
LOOKS = 300
RATE_GOAL, P95_GOAL, MEMORY_GOAL = 0.5, 0.020, 64 * MEBIBYTE
WORDS = ("red", "green", "blue", "cat", "dog", "house", "river", "winter", "summer", "night", "old", "small")
OWNER = "somebody"


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    value: str
    goal: str = "–"
    missed: bool = False

    def row(self) -> str:
        verdict = self.goal if self.goal == "–" else f"{self.goal}: {'not met' if self.missed else 'met'}"
        return f"| {self.name} | {self.value} | {verdict} |"


def new_store(root: Path) -> ArtifactStore:
    return ArtifactStore(root, StoreLimits(size=8 * 2**30), Signatures(), Decoder(MediaLimits()))


# Writes


def bare_write(root: Path, content: bytes, sidecar: bytes) -> None:
    """The same files, the same fsyncs: content and sidecar written, synced and named, and the folder synced."""
    name = secrets.token_hex(16)
    for data, suffix in ((content, ".bin"), (sidecar, ".meta.json")):
        draft = root / f"draft-{name}"
        with draft.open("wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
        draft.rename(root / f"{name}{suffix}")
    folder = os.open(root, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


async def writes(folder: Path, count: int) -> list[Figure]:
    """One after the other, and eight at once."""
    bare = folder / "bare"
    bare.mkdir()
    store = new_store(folder / "store")
    await store.open()
    contents = [os.urandom(PICTURE) for _ in range(max(8, count // ROUNDS // 8 * 8))]
    seconds: dict[str, list[float]] = {"bare": [], "store": [], "at once": []}

    async def keep(content: bytes) -> None:
        await store.add(OWNER, content, Facts(prompt="a red cat", model="painter", seed=7))

    for number in range(ROUNDS + 1):
        began = time.perf_counter()
        for content in contents:
            bare_write(bare, content, b"{}" * 250)
        middle = time.perf_counter()
        for content in contents:
            await keep(secrets.token_bytes(16) + content[16:])
        later = time.perf_counter()
        for start in range(0, len(contents), 8):
            await asyncio.gather(*(keep(secrets.token_bytes(16) + each[16:]) for each in contents[start : start + 8]))
        ended = time.perf_counter()
        if number:
            for name, spent in (("bare", middle - began), ("store", later - middle), ("at once", ended - later)):
                seconds[name].append(spent / len(contents))
    await store.close()
    each = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        Figure("a bare loop with the same writes and fsyncs", f"{1 / each['bare']:.0f} a second"),
        rate("the store, one after the other", each["bare"], each["store"]),
        rate("the store, eight at once", each["bare"], each["at once"]),
    ]


def rate(name: str, bare: float, ours: float) -> Figure:
    value = f"{1 / ours:.0f} a second, {bare / ours:.2f} of the bare loop's"
    return Figure(name, value, f"at least {RATE_GOAL} of it", bare / ours < RATE_GOAL)


# Listing and search


def fill(root: Path, count: int) -> None:
    """Files of so many artifacts, without an index: all that a store needs."""
    images = root / "images"
    images.mkdir(parents=True)
    now = time.time() - count
    for number in range(count):
        content = b"%d" % number
        words = " ".join(WORDS[number // len(WORDS) ** place % len(WORDS)] for place in range(4))
        sidecar = Sidecar(
            id="art_" + secrets.token_hex(16),
            owner=OWNER,
            kind=ArtifactKind.IMAGE,
            mime="image/png",
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            created=now + number,
            model=f"model-{number % 7}",
            prompt=f"{words} number {number}",
        )
        (images / f"{sidecar.id}.png").write_bytes(content)
        (images / f"{sidecar.id}.meta.json").write_text(sidecar.model_dump_json())


async def p95(look: Callable[[int], Awaitable[object]]) -> float:
    spent: list[float] = []
    for number in range(LOOKS):
        began = time.perf_counter()
        await look(number)
        spent.append(time.perf_counter() - began)
    return statistics.quantiles(spent, n=20)[-1]


async def looks(folder: Path, count: int) -> list[Figure]:
    """A store of so many."""
    root = folder / f"of-{count}"
    await asyncio.to_thread(fill, root, count)
    store = new_store(root)
    began = time.perf_counter()
    await store.open()
    spent = time.perf_counter() - began
    figures = [Figure(f"{count} artifacts: a start without an index", f"{spent:.1f} s")]
    first = await store.list(OWNER, Query(limit=1))
    newest = first.items[0].sidecar.created

    def at(number: int) -> float:
        return newest - count * (number % 97) / 97

    ways: dict[str, Callable[[int], Query]] = {
        "a page, anywhere": lambda number: Query(until=at(number)),
        "of one model": lambda number: Query(model=f"model-{number % 7}", until=at(number)),
        "two words": lambda number: Query(text=f"{WORDS[number % 12]} {WORDS[number // 12 % 12]}"),
        "one word in a million": lambda number: Query(text=f"number {number * count // LOOKS}"),
        "the beginning of a word": lambda number: Query(text=WORDS[number % 12][:2], until=at(number)),
    }
    for name, query in ways.items():
        slow = await p95(lambda number, query=query: store.list(OWNER, query(number)))  # type: ignore[misc]
        goal = f"p95 under {P95_GOAL * 1000:.0f} ms"
        print(f"{count}: {name}: {slow * 1000:.1f} ms", flush=True)
        figures.append(Figure(f"{count} artifacts: {name}", f"p95 {slow * 1000:.1f} ms", goal, slow > P95_GOAL))
    await store.close()
    shutil.rmtree(root)
    return figures


async def memory(folder: Path, gibibytes: float) -> list[Figure]:
    """Of the whole proxy, while one large file comes and goes."""
    spent = await large_file(folder, int(gibibytes * 2**30))
    goal = f"at most {MEMORY_GOAL // MEBIBYTE} MiB"
    rows = (("uploaded", spent.upload, spent.up_growth), ("downloaded", spent.download, spent.down_growth))
    return [
        Figure(
            f"{gibibytes:g} GiB {what}: growth of the proxy's memory",
            f"{growth / MEBIBYTE:.0f} MiB, in {seconds:.0f} s",
            goal,
            growth > MEMORY_GOAL,
        )
        for what, seconds, growth in rows
    ]


async def measure(folder: Path, args: argparse.Namespace) -> list[Figure]:
    figures = await writes(folder, args.writes) if args.writes else []
    for count in args.sizes:
        figures += await looks(folder, count)
    return figures + (await memory(folder, args.gibibytes) if args.gibibytes else [])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--gibibytes", type=float, default=2.0)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        figures = asyncio.run(measure(Path(folder), args))
    print("| what | measured | goal |\n|---|---|---|")
    print("\n".join(figure.row() for figure in figures))
    return int(any(figure.missed for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
