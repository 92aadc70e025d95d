"""The dashboard asks for nothing that the proxy does not tell."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.image_engine import FakeImageEngine, ImageKnobs
from tests.manager.figures import told_figures
from tests.proxy.scraped import Scrape
from tests.proxy.world import PATIENCE, World, until, world

pytestmark = pytest.mark.anyio
DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "roundhouse.json"
BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text())

NAME = re.compile(r"\b(?:roundhouse|gen_ai|process)_[a-z_]+\b")
MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
LEGEND = re.compile(r"\{\{(\w+)\}\}")


def queries() -> Iterator[tuple[str, str, str]]:
    """Panel's title, expression, legend."""
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


def metrics_in(expression: str) -> set[str]:
    """Names of metrics: what stands in braces or after `by` are names of labels."""
    bare = GROUPING.sub("", re.sub(r"\{[^}]*\}", "", expression))
    return set(NAME.findall(bare))


async def have_jobs(w: World, painter: FakeImageEngine) -> None:
    """One that is over, one that runs and one that waits."""
    w.manager.endpoints["painter"] = painter.url
    body = b'{"model":"painter","prompt":"a hat","background":true}'
    job = json.loads((await w.post("/v1/images/generations", body)).body)["id"]
    async with asyncio.timeout(PATIENCE):
        while json.loads((await w.get(f"/v1/jobs/{job}")).body)["status"] != "completed":
            await asyncio.sleep(0.01)
    painter.knobs = ImageKnobs(hang_after=1)
    for _ in range(2):
        assert (await w.post("/v1/images/generations", body)).status == 200
    await until(lambda: len(painter.asked) == 2)


@pytest.fixture
async def scrape(tmp_path: Path) -> Scrape:
    """A proxy and a manager that have done everything once."""
    async with FakeImageEngine() as painter, world(tmp_path, drain=0.1) as w:
        await have_jobs(w, painter)
        w.manager.metrics = (200, told_figures())
        body = b'{"model":"small","stream":true,"stream_options":{"include_usage":true}}'
        await w.post("/v1/chat/completions", body)
        await w.chat("small")
        await w.post("/v1/chat/completions", b'{"model":"small","fake":{"status":500}}')
        await w.manager.tell(w.manager.status("large", state="ready"))
        models = w.proxy.feed
        await until(lambda: models.directory is not None and models.directory.statuses["large"].state == "ready")
        return Scrape.read((await w.get("/metrics")).body)


async def test_every_query_names_a_metric_that_exists(scrape: Scrape) -> None:
    assert len(list(queries())) > 20
    for title, expression, _ in queries():
        names = metrics_in(expression)
        assert names, f"{title} asks for nothing"
        for name in names:
            family = re.sub("_(bucket|sum|count)$", "", name)
            histogram = scrape.kinds.get(family) == "histogram"
            assert histogram if name != family else name in scrape.kinds, f"{title}: {name}"
            assert name != family or scrape.kinds[name] != "histogram", f"{title}: {name} is a histogram"


async def test_every_label_that_is_asked_for_is_one_of_the_metric(scrape: Scrape) -> None:
    for title, expression, legend in queries():
        names = sorted(metrics_in(expression))
        there = {label for name in names for found in scrape.samples[name] for label, _ in found}
        asked = {word.strip() for group in GROUPING.findall(expression) for word in group.split(",")}
        matched = {label for _, inside in SELECTOR.findall(expression) for label in MATCHER.findall(inside)}
        assert asked | matched <= there, f"{title}: {(asked | matched) - there}"
        assert set(LEGEND.findall(legend)) <= asked, f"{title}: the legend names what was summed away"


async def test_the_variable_asks_for_a_metric_that_exists(scrape: Scrape) -> None:
    (variable,) = (each for each in BOARD["templating"]["list"] if each["type"] == "query")
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
    assert scrape.kinds[metric] == "gauge"
    assert any(label in dict(labels) for labels in scrape.samples[metric])


async def test_every_metric_of_ours_is_shown_somewhere(scrape: Scrape) -> None:
    shown = {re.sub("_(bucket|sum|count)$", "", name) for _, each, _ in queries() for name in metrics_in(each)}
    assert {name for name in scrape.kinds if name.startswith(("roundhouse_", "gen_ai_"))} <= shown


def test_the_managers_figures_are_all_there() -> None:
    seen = Scrape.read(told_figures())
    for name, kind in seen.kinds.items():
        assert seen.samples[f"{name}_count" if kind == "histogram" else name], f"{name} has no sample"
    transitions = seen.labels("transition")
    assert transitions == {"fetch", "load", "sleep", "wake", "drain", "stop"}


def test_panels_do_not_lie_upon_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
