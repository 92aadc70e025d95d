"""What the proxy counts: the parts, without a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.catalogue import ModelType
from contract.prometheus import Exposition, Histogram
from contract.states import ModelState, ModelStatus
from contract.usage import Usage
from proxy.metrics.conventions import operation_of
from proxy.metrics.meter import COUNTS_LIMIT, OTHER, SERIES_LIMIT, Meter
from proxy.metrics.model_watch import ModelWatch
from proxy.metrics.paths import PathLabels
from proxy.metrics.requests import write_requests
from tests.proxy.scraped import Scrape

CHAT = "/v1/chat/completions"


def status(state: ModelState, name: str = "small") -> ModelStatus:
    return ModelStatus(name=name, type=(ModelType.TEXT,), engine="vllm", container=name, state=state)


def scrape(meter: Meter) -> Scrape:
    out = Exposition()
    write_requests(out, meter)
    return Scrape.read(out.encode())


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_every_value_at_each_bound_that_is_not_below_it(values: list[float]) -> None:
    histogram = Histogram((0.5, 1, 10))
    for value in values:
        histogram.observe(value)
    expected = [(bound, sum(value <= float(bound) for value in values)) for bound in ("0.5", "1", "10", "+Inf")]
    assert list(histogram.cumulative()) == expected
    assert histogram.count == len(values)
    assert histogram.total == pytest.approx(sum(values))


def test_a_streams_times_and_tokens_are_measured() -> None:
    meter = Meter()
    meter.done(CHAT, "small", 200, 1.3, 0.3, Usage(prompt_tokens=7, completion_tokens=11))
    seen = scrape(meter)
    labels = {"gen_ai_operation_name": "chat", "gen_ai_request_model": "small", "path": CHAT}
    assert seen.value("gen_ai_client_operation_duration_seconds_sum", **labels) == 1.3
    assert seen.value("gen_ai_server_time_to_first_token_seconds_sum", **labels) == 0.3
    assert seen.value("gen_ai_server_time_per_output_token_seconds_sum", **labels) == pytest.approx(0.1)
    assert seen.value("gen_ai_client_token_usage_sum", **labels, gen_ai_token_type="input") == 7
    assert seen.value("gen_ai_client_token_usage_sum", **labels, gen_ai_token_type="output") == 11


@pytest.mark.parametrize("usage", [None, Usage(prompt_tokens=7, completion_tokens=1)])
def test_a_time_for_each_further_token_needs_more_than_one(usage: Usage | None) -> None:
    meter = Meter()
    meter.done(CHAT, "small", 200, 1.0, 0.3, usage)
    assert scrape(meter).value("gen_ai_server_time_per_output_token_seconds_count") == 0


def test_failures_are_told_apart_from_successes_by_their_status() -> None:
    meter = Meter()
    for ended in (200, 502, 499, 499):
        meter.done(CHAT, "small", ended, 0.1, None, None)
    name = "gen_ai_client_operation_duration_seconds_count"
    seen = scrape(meter)
    assert seen.value(name) == 4
    assert seen.value(name, error_type="499") == 2
    assert seen.value(name, error_type="502") == 1


def test_the_numbers_are_bounded_whatever_the_labels_are() -> None:
    meter = Meter()
    for number in range(COUNTS_LIMIT + 50):
        meter.asked(f"/{number}", "", 404)
        meter.done(CHAT, f"model-{number}", 200, 0.1, None, None)
    assert len(meter.series) == SERIES_LIMIT + 1
    assert len(meter.requests) == COUNTS_LIMIT + 1
    assert meter.requests[OTHER, OTHER, 4] == 50
    assert meter.series[OTHER, OTHER].duration.count == COUNTS_LIMIT - SERIES_LIMIT + 50


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/a/b", "/v1/models/*"),
        ("/v1/models/small/deep/er", "/v1/models/*"),
        ("/", "/"),
        ("/v1/models*", OTHER),
        ("/sk-secret", OTHER),
        ("", OTHER),
    ],
)
def test_a_path_is_labelled_by_its_route(path: str, label: str) -> None:
    assert PathLabels(["/v1/models", "/v1/models/*", "/"]).of(path) == label


@pytest.mark.parametrize(
    ("path", "operation"),
    [(CHAT, "chat"), ("/v1/completions", "text_completion"), ("/v1/images/edits", "images_edits"), (OTHER, OTHER)],
)
def test_an_operation_has_the_conventions_name_or_the_paths(path: str, operation: str) -> None:
    assert operation_of(path) == operation


@given(st.text())
def test_a_label_is_escaped_whatever_it_holds(value: str) -> None:
    out = Exposition()
    out.gauge("name", "help", [({"label": value}, 1)])
    body = out.encode() if value.isprintable() else b""
    if body:
        (labels,) = Scrape.read(body).samples["name"]
        escaped = dict(labels)["label"]
        assert escaped.replace(r"\"", '"').replace(r"\\", "\\") == value


def test_where_a_model_stands_at_first_is_no_load() -> None:
    watch = ModelWatch()
    watch.know([status(ModelState.READY)])
    assert watch.loads["small"] == 0
    assert watch.states == {"small": ModelState.READY}
    assert not watch.changes


def test_a_load_and_a_wake_are_loads_and_a_drain_taken_back_is_none() -> None:
    watch = ModelWatch()
    watch.know([status(ModelState.STOPPED)])
    for state in ("starting", "starting", "ready", "draining", "ready", "asleep", "waking", "ready"):
        watch.learn(status(ModelState(state)))
    assert watch.loads["small"] == 2
    assert watch.changes["small", ModelState.STARTING] == 1
    assert watch.changes["small", ModelState.READY] == 3


def test_a_model_that_was_removed_is_forgotten_with_its_counts() -> None:
    watch = ModelWatch()
    watch.know([status(ModelState.STOPPED), status(ModelState.READY, "large")])
    watch.learn(status(ModelState.READY))
    watch.know([status(ModelState.READY, "large")])
    assert watch.states == {"large": ModelState.READY}
    assert not watch.changes
    assert not watch.loads
