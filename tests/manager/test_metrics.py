"""Prometheus text -> a sample, and what an engine may answer instead."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.engines.diffusers import METRICS as OF_DIFFUSERS
from manager.engines.kind import Metrics
from manager.engines.vllm import METRICS as OF_VLLM
from manager.running.metrics import LONGEST, Sample, sample_of, scrape

pytestmark = pytest.mark.anyio

NAMES = Metrics("running", "waiting", ("tokens_total", "steps_total"))
TEXT = "running 1\nwaiting 2\ntokens_total 3\nsteps_total 4\n"

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.2e+07
vllm:generation_tokens_total{engine="0",model_name="m"} 512.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.7e+09
"""
DIFFUSERS = """\
# TYPE roundhouse_requests_running gauge
roundhouse_requests_running 1.0
roundhouse_requests_waiting 0.0
roundhouse_steps_total 40.0
roundhouse_pictures_total 2.0
"""


def test_vllms_figures_are_added_over_its_engines() -> None:
    assert sample_of(VLLM, OF_VLLM) == Sample(9, (1.2e7, 512.0, 0.25))


def test_diffusers_figures_have_no_labels() -> None:
    assert sample_of(DIFFUSERS, OF_DIFFUSERS) == Sample(1, (40.0, 2.0))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('running{model="a b"} 5', 5),
        ('running{model="a } 9 b",x="\\"{"} 5', 5),
        ("running 5 1700000000", 5),
        ("running{} +5.0", 5),
        ("running\t5", 5),
        ("running NaN", None),
        ("running +Inf", None),
        ("running five", None),
        ("running", None),
        ('running{model="a"}', None),
        ("running_total 5", None),
        ("# running 5", None),
    ],
)
def test_a_line_counts_where_it_is_that_metric_with_a_number(line: str, value: float | None) -> None:
    sample = sample_of(f"{line}\nwaiting 0\ntokens_total 1\n", NAMES)
    assert sample == (None if value is None else Sample(value, (1.0,)))


@pytest.mark.parametrize("missing", ["running", "waiting"])
def test_without_the_count_of_requests_there_is_no_sample(missing: str) -> None:
    assert sample_of(TEXT.replace(missing, "other"), NAMES) is None


def test_one_kind_of_progress_is_enough_and_none_is_not() -> None:
    assert sample_of(TEXT.replace("steps", "other"), NAMES) == Sample(3, (3.0,))
    assert sample_of(TEXT.replace("steps", "other").replace("tokens", "other"), NAMES) is None


@given(st.text(), st.text())
def test_no_text_is_too_odd(before: str, after: str) -> None:
    sample = sample_of(f"{before}\n{TEXT}{after}", NAMES)
    assert sample is not None


async def scraped(handler: httpx.MockTransport) -> Sample | None:
    async with httpx.AsyncClient(transport=handler) as client:
        return await scrape(client, "http://engine", NAMES, 5)


async def test_a_scrape_reads_the_engines_metrics() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, text=TEXT)

    assert await scraped(httpx.MockTransport(answer)) == Sample(3, (3.0, 4.0))
    assert asked == ["http://engine/metrics"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text=TEXT),
        httpx.Response(500, text=TEXT),
        httpx.Response(200, content=b"\xff\xfe\x00"),
        httpx.Response(200, content=TEXT.encode() + b"x" * LONGEST),
        httpx.Response(200, json={"detail": "nothing here"}),
    ],
)
async def test_what_is_no_metrics_is_no_sample(answer: httpx.Response) -> None:
    assert await scraped(httpx.MockTransport(lambda _: answer)) is None


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.DecodingError])
async def test_no_answer_is_no_sample(error: type[httpx.RequestError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("no")

    assert await scraped(httpx.MockTransport(fail)) is None
