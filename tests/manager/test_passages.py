"""What models go through, as it is counted and told to Prometheus."""

from manager.metrics_report import render
from manager.supervision.passages import Kind, Outcome, Passage
from manager.supervision.tallies import Tallies
from tests.fakes.effects import FakeKind, level
from tests.manager.bench import CRASH, DEATH, Bench, fixed
from tests.proxy.scraped import Scrape

TRANSITIONS = "roundhouse_model_transition_seconds"
KINDS = ("total", "budget", "booked", "engines", "others", "free")
GIB = 2**30
SLEEPER = FakeKind((level(1, keeps_weights=False),))


class Notes:
    """A listener that writes down what it is told, a line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.passages: list[Passage] = []

    def began(self, passage: Passage) -> None:
        self.passages.append(passage)
        self.lines.append(f"{passage.model} {passage.kind}{f': {passage.reason}' if passage.reason else ''}")

    def reached(self, passage: Passage, phase: str) -> None:
        self.lines.append(f"{passage.model} {passage.kind} reached {phase}")

    def ended(self, passage: Passage, outcome: Outcome, seconds: float, code: str) -> None:
        self.lines.append(f"{passage.model} {passage.kind} {outcome} after {seconds:g} s{f', {code}' if code else ''}")

    def forget(self, model: str) -> None:
        self.lines.append(f"{model} forgotten")


def noted(*names: str, **more: object) -> tuple[Bench, Notes, Tallies]:
    notes, tallies = Notes(), Tallies()
    models = (fixed(name, kind=SLEEPER, idle_timeout=60, asleep_timeout=600, **more) for name in names)  # type: ignore[arg-type]
    return Bench(*models, listeners=(notes, tallies)), notes, tallies


def scrape(bench: Bench, tallies: Tallies) -> Scrape:
    return Scrape.read(render(bench.supervisor, tallies))


def test_a_load_is_told_from_its_beginning_by_its_phases_to_its_end() -> None:
    bench, notes, tallies = noted("a")
    bench.open("a")
    for phase in ("verifying weights, 1 MiB of 9 MiB", "verifying weights, 8 MiB of 9 MiB", "loading weights"):
        bench.reach("a", phase)
    bench.now += 4
    bench.ready("a")
    assert notes.lines == [
        "a load",
        "a load reached verifying weights",
        "a load reached loading weights",
        "a load ok after 4 s",
    ]
    seen = scrape(bench, tallies)
    assert seen.value(f"{TRANSITIONS}_count", model="a", transition="load", outcome="ok") == 1
    assert seen.value(f"{TRANSITIONS}_sum", model="a", transition="load") == 4


def test_what_makes_room_is_told_from_what_is_idle_and_from_what_is_unloaded() -> None:
    bench, notes, tallies = noted("a", "b")
    bench.close(bench.serving("a"))
    bench.open("b")
    bench.asleep("a")
    bench.ready("b")
    bench.unload("b")
    bench.ended("b")
    assert [line for line in notes.lines if ":" in line] == [
        "a sleep: makes room",
        "b drain: unloaded",
        "b stop: unloaded",
    ]
    seen = scrape(bench, tallies)
    departures = "roundhouse_model_departures_total"
    assert seen.value(departures, model="a", to="sleep", reason="makes room") == 1
    assert seen.value(departures, model="b", to="stop", reason="unloaded") == 1
    assert seen.value(departures) == 2


def test_sleeping_and_waking_are_told_with_what_they_took() -> None:
    bench, notes, _ = noted("a")
    bench.close(bench.serving("a"))
    bench.pass_time(61)
    bench.now += 2
    bench.asleep("a")
    bench.open("a")
    bench.now += 3
    bench.awake("a")
    assert notes.lines[2:] == ["a sleep: idle", "a sleep ok after 2 s", "a wake", "a wake ok after 3 s"]


def test_a_start_that_fails_is_a_load_that_failed_and_the_next_one_is_a_restart() -> None:
    bench, notes, tallies = noted("a")
    bench.open("a")
    bench.ended("a", CRASH)
    bench.pass_time(2)
    bench.serving("a")
    assert notes.lines == ["a load", "a load failed after 0 s, engine_start_failed", "a load", "a load ok after 0 s"]
    seen = scrape(bench, tallies)
    assert seen.value("roundhouse_engine_restarts_total", model="a") == 1
    assert seen.value("roundhouse_engine_deaths_total") == 0
    assert seen.value(f"{TRANSITIONS}_count", transition="load", outcome="failed") == 1


def test_an_engine_that_dies_is_counted_by_its_failure() -> None:
    bench, notes, tallies = noted("a")
    bench.serving("a")
    bench.died("a", DEATH)
    bench.serving("a")
    assert notes.lines[2:4] == ["a stop: died", "a stop ok after 0 s"]
    seen = scrape(bench, tallies)
    assert seen.value("roundhouse_engine_deaths_total", model="a", code="engine_died") == 1
    assert seen.value("roundhouse_engine_restarts_total", model="a") == 1


def test_a_load_that_somebody_calls_off_is_neither_good_nor_bad() -> None:
    bench, notes, _ = noted("a")
    bench.open("a")
    bench.unload("a")
    bench.ended("a")
    assert notes.lines[:2] == ["a load", "a load cancelled after 0 s"]


def test_an_engine_that_is_adopted_was_not_loaded() -> None:
    bench, notes, _ = noted("a")
    bench.adopt("a")
    bench.ready("a")
    assert notes.lines == []


def test_a_fetch_and_the_load_after_it_are_two_things() -> None:
    bench, notes, _ = noted("a", here=False, entry={"source": "org/a"})
    bench.open("a")
    bench.now += 7
    bench.has_weights("a", 6)
    bench.ready("a")
    assert notes.lines == ["a fetch", "a fetch ok after 7 s", "a load", "a load ok after 0 s"]


def test_a_load_belongs_to_the_trace_of_whoever_waits_longest_and_says_so() -> None:
    bench, notes, _ = noted("a")
    bench.open("a", trace=None)
    bench.ended("a", CRASH)
    bench.now += 1
    bench.open("a", trace="00-1")
    bench.open("a", trace="00-2")
    bench.ended("a", CRASH)
    assert [passage.trace for passage in notes.passages] == [None, "00-1"]


def test_who_waits_and_whose_memory_it_is_are_told() -> None:
    tallies = Tallies()
    models = (fixed(name, 6 * GIB, (("gpu0",),)) for name in ("a", "b"))
    bench = Bench(*models, devices={"cpu": 1, "gpu0": 10 * GIB}, listeners=(tallies,))
    bench.others["gpu0"] = GIB
    bench.see()
    bench.serving("a")
    bench.open("b")
    bench.now += 5
    seen = scrape(bench, tallies)
    assert seen.value("roundhouse_leases", model="a", state="holding") == 1
    assert seen.value("roundhouse_leases", model="b", state="waiting") == 1
    assert seen.value("roundhouse_model_waited_seconds", model="b") == 5
    assert "a" not in {model for labels in seen.samples["roundhouse_model_waited_seconds"] for _, model in labels}
    memory = "roundhouse_device_memory_bytes"
    told = {kind: seen.value(memory, device="gpu0", kind=kind) / GIB for kind in KINDS}
    assert told == {"total": 10, "budget": 9, "booked": 6, "engines": 6, "others": 1, "free": 3}
    assert seen.value("roundhouse_model_memory_bytes", model="a", kind="used") == 6 * GIB


def test_a_model_that_left_the_catalogue_is_forgotten_when_its_engine_has_ended() -> None:
    bench, notes, tallies = noted("a", "b")
    bench.close(bench.serving("a"))
    bench.only("b")
    bench.ended("a")
    assert notes.lines[2:] == ["a stop: catalogue changed", "a stop ok after 0 s", "a forgotten"]
    assert "a" not in scrape(bench, tallies).labels("model")


def test_kinds_are_all_told_apart() -> None:
    tallies = Tallies()
    for kind in Kind:
        tallies.ended(Passage("m", "vllm", kind, 1, 0.0), Outcome.OK, 2.0, "")
    assert {kind for _, kind, _ in tallies.seconds} == set(Kind)
