"""The benchmark of the gateway: what it computes of what it measured, and that its engine and client agree."""

import argparse
import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.gateway import machine
from benchmarks.gateway.__main__ import plan_of
from benchmarks.gateway.engine import EngineConnection
from benchmarks.gateway.figures import Goal, percentile, table
from benchmarks.gateway.machine import Watch, awake
from benchmarks.gateway.pacing import Pacing, added_gaps, middle
from benchmarks.gateway.part_memory import Sample
from benchmarks.gateway.part_memory import part as memory_part
from benchmarks.gateway.part_requests import Round, goals, results
from benchmarks.gateway.plot import scale_of
from benchmarks.gateway.processes import Program
from benchmarks.gateway.question import answer, chat, pace
from benchmarks.gateway.report import Occasion, plot, with_section
from benchmarks.gateway.streams import SINGLE_DELTAS, Arrival, Stream, first_bytes
from benchmarks.gateway.subjects import DIRECT, OURS, Subject
from benchmarks.gateway.wrk import Load

MILLISECOND = 10**6  # in nanoseconds


def subject(name: str) -> Subject:
    return Subject(name, name, "http://127.0.0.1:1", "key", program=Program.__new__(Program))


def stream(*delays: int, numbers: range | None = None) -> Stream:
    """Deltas sent 20 ms apart that took so many milliseconds."""
    arrivals = [
        Arrival(number, position * 20 * MILLISECOND, (position * 20 + delay) * MILLISECOND)
        for position, (number, delay) in enumerate(zip(numbers or range(len(delays)), delays, strict=True))
    ]
    return Stream(arrivals, chunks=len(arrivals), is_whole=True)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 99), percentile(values, 50), percentile(values, 100)) == (99, 50, 100)
    assert percentile([7.0], 99) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 99)


def test_a_goal_is_met_on_its_bound_and_not_beyond() -> None:
    assert Goal("", 2.0, 2.0, at_least=True).is_met
    assert not Goal("", 1.99, 2.0, at_least=True).is_met
    assert Goal("", 0.5, 0.5).is_met
    assert Goal("gap", 12.5, 10, "ms").row() == ("gap", "12.50 ms", "at most 10.00 ms", "not met")


def test_a_table_has_its_rule_under_its_heads() -> None:
    assert table([("a", "b"), ("1", "2")]) == "| a | b |\n| --- | --: |\n| 1 | 2 |"


def test_the_last_line_of_wrk_is_read_and_no_other() -> None:
    told = '  Thread Stats\n{"requests": 500, "microseconds": 2000000, "failed": 0, "p50": 250, "p99": 900}\n'
    load = Load.parse(told)
    assert (load.rate, load.p50, load.p99) == (250.0, 0.00025, 0.0009)
    with pytest.raises(ValueError, match="Expecting value"):
        Load.parse("unable to connect")


def test_request_and_answer_have_their_sizes_whatever_is_in_them() -> None:
    assert len(chat()) == len(chat(stream=True, pace=pace(200, 30))) == 1024
    assert len(answer()) == 300


def test_what_is_added_at_one_connection_is_taken_off_round_by_round() -> None:
    found = {
        DIRECT: [Round(9e4, 1e-5, 1e-4, 1), Round(9e4, 1e-5, 9e-4, 1), Round(9e4, 1e-5, 2e-4, 1)],
        OURS: [Round(2e4, 5e-5, 3e-4, 1), Round(1e4, 6e-5, 10e-4, 1), Round(3e4, 7e-5, 5e-4, 1)],
        "smg": [Round(1e4, 9e-5, 5e-4, 1), Round(1e4, 12e-5, 5e-4, 1), Round(1e4, 15e-5, 12e-4, 1)],
    }
    _, ours, smg = results([subject(name) for name in found], found)
    assert (ours.rate, ours.cpu, ours.alone) == (2e4, 6e-5, 5e-4)
    assert ours.added == pytest.approx(2e-4)  # the middle of 2, 1 and 3
    assert [goal.is_met for goal in goals([ours, smg])] == [True, True, True]
    assert [goal.figure for goal in goals([ours, smg])][:2] == pytest.approx([2.0, 0.5])


def test_a_gap_is_what_the_proxy_added_to_the_engines_own_pause() -> None:
    assert list(added_gaps(stream(1, 1, 31, 1))) == pytest.approx([0, 0.030, -0.030])


def test_streams_that_lost_doubled_mixed_up_or_did_not_end_are_spoilt() -> None:
    good = stream(1, 1, 1)
    lost, doubled, cut = stream(1, 1), stream(1, 1, 1, 1), stream(1, 1, 1)
    doubled.arrivals[2] = doubled.arrivals[1]
    cut.is_whole = False
    mixed = stream(1, 1, 1, numbers=range(2, -1, -1))
    assert Pacing.of([good], 3).spoilt == 0
    assert Pacing.of([good, lost, doubled, cut, mixed], 3).spoilt == 4


def test_the_rounds_of_a_crowd_keep_the_worst_of_what_must_never_be() -> None:
    quiet, stalled = Pacing.of([stream(1, 1, 1)], 3), Pacing.of([stream(1, 400, 1)], 3)
    together = middle([quiet, stalled, quiet])
    assert (together.gap, together.stalls, together.deltas) == (0, 1, 9)
    assert together.longest == pytest.approx(0.399)


def test_memory_is_compared_over_the_second_half_of_the_requests() -> None:
    samples = [Sample(0, 50 * 2**20), Sample(60_000, 60 * 2**20), Sample(120_000, 61 * 2**20)]
    samples.append(Sample(200_000, 63 * 2**20))
    (goal,) = memory_part(samples).goals
    assert (goal.figure, goal.is_met) == (2.0, False)
    assert goal.what == "growth over 80,000 requests"


def test_a_section_takes_the_place_of_its_older_self_and_leaves_the_others() -> None:
    document = "# Measured\n\n## Gateway\n\nold\n\n### More\n\nold\n\n## Swap\n\nkept\n"
    assert with_section(document, "## Gateway\n\nnew\n") == "# Measured\n\n## Gateway\n\nnew\n\n## Swap\n\nkept\n"
    assert with_section("# Measured\n", "## Gateway\n\nnew\n") == "# Measured\n\n## Gateway\n\nnew\n"
    assert with_section("## A\n\nx\n\n## B\n\ny\n", "## B\n\nz\n") == "## A\n\nx\n\n## B\n\nz\n"


def test_one_bar_out_of_scale_does_not_hide_the_others() -> None:
    assert scale_of([68.0, 9_000.0, 33_000.0]) == 9_000 * 1.6
    assert scale_of([20_000.0, 30_000.0]) == 30_000
    assert scale_of([5.0]) == 5


def test_the_plot_shows_every_proxy_and_not_the_engine() -> None:
    found = {name: [Round(10.0, 1e-4, 1e-3, 1)] for name in (DIRECT, OURS, "smg")}
    picture = plot(results([subject(name) for name in found], found))
    assert picture.count('class="ours"') == picture.count(">smg<") == 2
    assert DIRECT not in picture


def test_only_a_whole_run_is_kept() -> None:
    def plan(**chosen: object) -> tuple[bool, int, int]:
        options = {"quick": False, "part": None, "peer": None, **chosen}
        made = plan_of(argparse.Namespace(**options))
        return made.is_whole, len(made.parts), len(made.peers)

    assert plan() == (True, 4, 4)
    assert plan(quick=True) == (False, 4, 4)
    assert plan(part=["memory"]) == (False, 1, 4)
    assert plan(peer=["none"]) == (False, 4, 0)


@pytest.mark.anyio
async def test_the_client_sees_every_delta_of_the_engine_once_and_in_its_turn() -> None:
    server = await asyncio.get_running_loop().create_server(EngineConnection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seconds, streams = await first_bytes(f"http://127.0.0.1:{port}", "key", 2)
    server.close()
    assert len(seconds) == 2
    assert all(0 < each < 10 for each in seconds)
    assert all(each.is_in_order(SINGLE_DELTAS) for each in streams)
    assert Pacing.of(streams, SINGLE_DELTAS).spoilt == 0


def test_cores_are_kept_awake_by_a_tolerated_latency_of_nothing_and_only_where_one_may(tmp_path: Path) -> None:
    latency = tmp_path / "cpu_dma_latency"
    with awake(latency) as is_awake:
        assert not is_awake
        assert not latency.exists()
    latency.touch()
    with awake(latency) as is_awake:
        assert is_awake
        assert latency.read_bytes() == bytes(4)


def test_what_the_host_gave_away_is_a_share_of_all_cores_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([(50.0, 7.0), (62.0, 9.4)])  # seconds since some time, seconds stolen since the machine began
    now, stolen = next(moments)
    monkeypatch.setattr(machine, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(machine, "psutil", SimpleNamespace(cpu_times=lambda: SimpleNamespace(steal=stolen)))
    monkeypatch.setattr(machine, "os", SimpleNamespace(getloadavg=lambda: (0.3, 5.0, 9.0), cpu_count=lambda: 2))
    watch = Watch()
    now, stolen = next(moments)
    assert watch.seconds == 12
    assert str(watch).startswith("before it began, 0.3 processes")
    assert "gave 10.0% of the cores' time" in str(watch)


@pytest.mark.parametrize(("is_awake", "said"), [(True, "polled."), (False, "slept.")])
def test_the_report_says_whether_cores_were_kept_awake(is_awake: bool, said: str) -> None:
    assert str(Occasion("command", "2000-01-01", "a machine", 1.0, "quiet", is_awake)).endswith(said)
