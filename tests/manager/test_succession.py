"""Another `models.json` under a running supervisor, event by event."""

from dataclasses import replace
from typing import Any

from contract.catalogue import Catalogue
from contract.lease import Drain, Failed, Ready
from contract.states import ModelState
from manager.events import CatalogueRead, CatalogueRefused, EngineReady, FetchEnded
from manager.fixed import Fixed
from tests.fakes.effects import spec_of
from tests.manager.bench import CRASH, Bench, fixed, last, told


def read(bench: Bench, *models: Fixed) -> None:
    """The file is read, and says this."""
    catalogue = Catalogue(models={each.name: each.entry for each in models})
    bench.handle(CatalogueRead(catalogue, {each.name: each for each in models}))


def entry(name: str, container: str | None = None, **keys: Any) -> Fixed:  # noqa: ANN401
    made = fixed(name, 6, entry=keys)
    return replace(made, container=container) if container else made


A, B = entry("a"), entry("b")
OTHER_A = entry("a", port=9000)


def test_an_added_model_is_there_and_starts_when_it_is_wanted() -> None:
    bench = Bench(A)
    read(bench, A, B)
    bench.serving("b")
    assert bench.effects.launched == ["b"]


def test_a_removed_model_without_an_engine_is_gone_at_once() -> None:
    bench = Bench(A, B)
    read(bench, A)
    assert list(bench.supervisor.models) == ["a"]
    refused = last(bench.open("b"))
    assert isinstance(refused, Failed)
    assert refused.code == "model_removed"


def test_a_removed_model_is_drained_and_gone_when_its_engine_has_ended() -> None:
    bench = Bench(A, B)
    lease = bench.serving("a")
    read(bench, B)
    assert isinstance(last(lease), Drain)
    assert bench.effects.ended == []
    refused = last(bench.open("a"))
    assert isinstance(refused, Failed)
    assert refused.code == "model_removed"
    bench.close(lease)
    assert bench.effects.ended == ["a"]
    bench.ended("a")
    assert list(bench.supervisor.models) == ["b"]


def test_who_waits_for_a_removed_model_is_told_and_its_start_is_called_off() -> None:
    bench = Bench(A, B)
    lease = bench.open("a")
    read(bench, B)
    refused = last(lease)
    assert isinstance(refused, Failed)
    assert refused.code == "model_removed"
    assert bench.effects.ended == ["a"]


def test_a_fetch_of_a_removed_model_is_called_off_and_its_late_news_harms_nobody() -> None:
    bench = Bench(replace(A, here=False), B)
    bench.open("a")
    assert bench.effects.fetched == ["a"]
    run = bench.run("a")
    read(bench, B)
    assert bench.effects.cancelled == ["a"]
    assert list(bench.supervisor.models) == ["b"]
    bench.handle(FetchEnded("a", run, None))


def test_a_replaced_model_is_drained_and_who_waits_is_served_by_the_new_engine() -> None:
    bench = Bench(A)
    before = bench.serving("a")
    read(bench, OTHER_A)
    assert isinstance(last(before), Drain)
    waiting = bench.open("a")
    bench.close(before)
    assert bench.effects.launched == ["a"]
    bench.ended("a")
    assert bench.effects.launched == ["a", "a"]
    assert bench.model("a").fixed == OTHER_A
    bench.ready("a")
    assert isinstance(last(waiting), Ready)


def test_a_model_that_starts_is_started_anew_as_it_is_written_now() -> None:
    bench = Bench(A)
    waiting = bench.open("a")
    read(bench, OTHER_A)
    assert bench.effects.ended == ["a"]
    bench.handle(EngineReady("a", bench.run("a"), spec_of("a")))  # a moment too late
    bench.ended("a")
    assert bench.model("a").fixed == OTHER_A
    bench.ready("a")
    assert isinstance(last(waiting), Ready)


def test_an_adjusted_model_serves_on_under_its_new_entry() -> None:
    bench = Bench(A)
    lease = bench.serving("a")
    told(lease)
    read(bench, replace(entry("a", default_for=["text"]), idle_timeout=5))
    assert (bench.effects.ended, told(lease)) == ([], [])
    assert bench.state("a") is ModelState.READY
    assert bench.model("a").fixed.entry.default_for
    bench.close(lease)
    bench.pass_time(6)
    assert bench.effects.ended == ["a"], "it heeds the new idle time"


def test_of_two_changes_in_a_row_the_last_one_comes_into_force() -> None:
    bench = Bench(A)
    lease = bench.serving("a")
    read(bench, OTHER_A)
    read(bench, entry("a", port=9001))
    bench.close(lease)
    bench.ended("a")
    assert bench.model("a").fixed.entry.port == 9001


def test_a_model_that_was_removed_and_put_back_while_it_drained_is_there_again() -> None:
    bench = Bench(A)
    lease = bench.serving("a")
    read(bench)
    read(bench, OTHER_A)
    waiting = bench.open("a")
    bench.close(lease)
    bench.ended("a")
    bench.ready("a")
    assert isinstance(last(waiting), Ready)
    assert bench.model("a").fixed == OTHER_A


def test_a_model_put_back_and_removed_again_is_gone() -> None:
    bench = Bench(A)
    lease = bench.serving("a")
    read(bench)
    read(bench, A)
    read(bench)
    bench.close(lease)
    bench.ended("a")
    assert bench.supervisor.models == {}


def test_a_model_that_failed_is_tried_at_once_under_its_new_entry() -> None:
    bench = Bench(A)
    bench.open("a")
    bench.ended("a", CRASH)
    assert bench.state("a") is ModelState.FAILED
    read(bench, OTHER_A)
    bench.open("a")
    assert bench.effects.launched == ["a", "a"]


def test_a_preloaded_model_that_was_added_is_loaded() -> None:
    bench = Bench(A)
    read(bench, A, entry("b", preload=True))
    assert bench.effects.launched == ["b"]


def test_a_model_that_the_box_cannot_run_any_more_tells_those_who_wait() -> None:
    bench = Bench(A)
    lease = bench.open("a")
    read(bench, replace(A, lacks="needs 1 NVIDIA GPU"))
    bench.ended("a")
    refused = last(lease)
    assert isinstance(refused, Failed)
    assert refused.code == "model_unavailable"
    assert bench.state("a") is ModelState.UNAVAILABLE


def test_a_renamed_model_starts_only_when_the_container_of_its_name_is_free() -> None:
    bench = Bench(entry("old", "box"), devices={"cpu": 100})
    lease = bench.serving("old")
    read(bench, entry("new", "box"))
    waiting = bench.open("new")
    bench.pass_time(2)
    assert bench.effects.launched == ["old"]
    bench.close(lease)
    bench.ended("old")
    assert bench.effects.launched == ["old", "new"], "and then at once"
    bench.ready("new")
    assert isinstance(last(waiting), Ready)


def test_two_models_that_exchange_their_containers_wait_for_each_other() -> None:
    bench = Bench(entry("a", "x"), entry("b", "y"), devices={"cpu": 100})
    leases = {name: bench.serving(name) for name in ("a", "b")}
    read(bench, entry("a", "y"), entry("b", "x"))
    for name in ("a", "b"):
        bench.open(name)
    bench.close(leases["a"])
    bench.ended("a")
    assert bench.effects.launched == ["a", "b"], "b still serves from the container that a is to have"
    bench.close(leases["b"])
    bench.ended("b")
    bench.ready(bench.effects.launched[2])
    assert sorted(bench.effects.launched) == ["a", "a", "b", "b"]


def test_a_refused_file_changes_nothing_and_a_good_one_takes_the_complaint_back() -> None:
    bench = Bench(A)
    lease = bench.serving("a")
    told(lease)
    bench.handle(CatalogueRefused("models.json: the file: not valid JSON"))
    assert bench.supervisor.news.complaint == "models.json: the file: not valid JSON"
    assert (told(lease), bench.state("a")) == ([], ModelState.READY)
    read(bench, A)
    assert bench.supervisor.news.complaint is None
    assert (told(lease), bench.state("a")) == ([], ModelState.READY)
