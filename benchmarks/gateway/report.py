"""What was found, for people: on the screen, in RESULTS.md, and as the README's plot."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.figures import Part, microseconds, rate, table
from benchmarks.gateway.part_requests import Result
from benchmarks.gateway.plot import Bar, Panel, draw
from benchmarks.gateway.processes import ROOT
from benchmarks.gateway.subjects import DIRECT, OURS

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PLOT = ROOT / "docs" / "gateway.svg"
TITLE = "The gateway's speed"
PREFACE = "# What was measured\n\nEach section is written by the command that it names.\n"
GOAL_HEADS = ("goal", "figure", "bound", "")


@dataclass(frozen=True)
class Occasion:
    """When, where, by which command, and how quiet it was there.

    quiet: what was known of that, in words
    is_awake: cores with nothing to do polled
    """

    command: str
    date: str
    machine: str
    minutes: float
    quiet: str
    is_awake: bool

    def __str__(self) -> str:
        return (
            f"`{self.command}`, {self.date}, {self.minutes:.0f} minutes. {self.machine}; {self.quiet}. "
            f"Cores with nothing to do {'polled' if self.is_awake else 'slept'}."
        )


def section(parts: Sequence[Part], occasion: Occasion) -> str:
    """Markdown, its heading of the second level."""
    texts = [f"## {TITLE}", str(occasion)]
    for part in parts:
        texts += [f"### {part.title}", part.text, table(part.table)]
        texts.append(table([GOAL_HEADS, *(goal.row() for goal in part.goals)]))
    return "\n\n".join(texts) + "\n"


def with_section(document: str, new: str) -> str:
    """The document with this section in the place of the one with the same heading, or at the end."""
    heading = new.partition("\n")[0]
    pattern = re.compile(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(document):
        return pattern.sub(lambda _: new + "\n", document).rstrip("\n") + "\n"
    return f"{document.rstrip()}\n\n{new}"


def write(path: Path, new: str) -> None:
    document = path.read_text(encoding="utf-8") if path.is_file() else PREFACE
    path.write_text(with_section(document, new), encoding="utf-8")


def plot(found: Sequence[Result]) -> str:
    """Requests per second and CPU per request of every proxy, the best first."""
    proxies = [result for result in found if result.name != DIRECT]
    fastest = sorted(proxies, key=lambda result: -result.rate)
    cheapest = sorted(proxies, key=lambda result: result.cpu)
    rates = [Bar(each.title, each.rate, rate(each.rate), each.name == OURS) for each in fastest]
    costs = [Bar(each.title, each.cpu, microseconds(each.cpu), each.name == OURS) for each in cheapest]
    note = "1 kB chat request, 300 B answer, 32 connections, two cores"
    panels = (
        Panel("Requests per second", f"{note}; more is better", rates),
        Panel("CPU per request", "less is better", costs),
    )
    return draw(panels, "Requests per second and CPU time per request of Roundhouse and other proxies")
