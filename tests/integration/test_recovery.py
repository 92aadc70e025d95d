"""Killed, hung, paused, renamed: whatever befalls manager and engines, the next request is answered by one engine."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from docker.models.containers import Container

from tests.harness.ports import free_port
from tests.integration.box import Asked, Box, box_in, containers_of_others, mock, run_still
from tests.integration.stack import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

NAME = "rhrec"
ENTRIES = {
    "plain": mock(load_seconds=1),
    "slow": mock(tokens=40, tokens_per_second=10),
    "busy": mock(tokens=10, tokens_per_second=0.6),
    "sleepy": mock(wake_seconds=0.5) | {"idle_timeout": 1},
    "broken": mock(die_at_load=True),
}


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box_in(tmp_path_factory.mktemp("recovery"), NAME, ENTRIES, ROUNDHOUSE_SETTLE="0") as made:
        made.stack.end("manager")
        yield made


@pytest.fixture
def box(stacked: Box) -> Iterator[Box]:
    """With a manager that can be told when to die, and no engine before and after."""
    moment = stacked.stack.folder / "moment"
    if "manager" not in stacked.stack.processes:
        stacked.stack.start("manager", "tests.fakes.mortal_manager", str(moment))
    yield stacked
    stacked.clear()


@pytest.fixture(scope="module")
def others() -> Iterator[list[str]]:
    with containers_of_others(NAME) as ids:
        yield ids


@contextmanager
def killed(box: Box, moment: str) -> Iterator[None]:
    """The manager dies at that moment, which the block brings about; another one follows it."""
    doom(box, moment)
    yield
    follow(box)


@contextmanager
def killed_by_asking(box: Box, model: str, moment: str) -> Iterator[Asked]:
    """The same, brought about by a request, which is over at the end of the block."""
    doom(box, moment)
    with box.asking(model) as asked:
        yield asked
        follow(box)


def doom(box: Box, moment: str) -> None:
    """Before anything is done that may bring the moment about."""
    file = box.stack.folder / "moment"
    file.write_text(moment)
    os.kill(box.stack.processes["manager"].pid, signal.SIGUSR1)
    eventually(lambda: not file.exists(), "the manager knows when to die", 10)


def follow(box: Box) -> None:
    """Where the manager does not die, the next test gets another all the same."""
    manager = box.stack.processes.pop("manager")
    try:
        assert manager.wait(60) == -signal.SIGKILL
    finally:
        manager.kill()
        manager.wait(10)
    box.stack.start("manager", "tests.fakes.mortal_manager", str(box.stack.folder / "moment"))


DURING_A_START = {
    "before the container is made": False,
    "made and not started": False,
    "started": True,
    "while it loads": True,
    "ready and nobody told": True,
    "while its lessons are written": True,
    "ready and told": True,
}


@pytest.mark.parametrize(("moment", "adopted"), DURING_A_START.items(), ids=DURING_A_START)
def test_a_manager_killed_while_an_engine_starts_comes_back_to_one_and_the_request_is_answered(
    box: Box, others: list[str], moment: str, adopted: bool
) -> None:
    made: list[str | None] = []
    with killed_by_asking(box, "plain", moment) as asked:
        eventually(lambda: box.stack.processes["manager"].poll() is not None, "it dies", 60)
        made.append(box.identity("plain"))
    assert asked.is_whole
    assert box.there() == box.one_engine("plain")
    assert (box.identity("plain") in made) == adopted
    assert run_still(others)


DURING_A_STOP = {
    "before it is stopped": True,
    "stopped and not removed": False,
    "removed and its network not": False,
}


@pytest.mark.parametrize(("moment", "adopted"), DURING_A_STOP.items(), ids=DURING_A_STOP)
def test_a_manager_killed_while_an_engine_stops_comes_back_to_one_that_answers(
    box: Box, others: list[str], moment: str, adopted: bool
) -> None:
    assert box.ask("plain").status_code == 200
    before = box.identity("plain")
    eventually(lambda: box.leases("plain") == 0, "nobody uses it", 10)
    with killed(box, moment):
        box.unload("plain")
    assert box.ask("plain").status_code == 200
    assert box.there() == box.one_engine("plain")
    assert (box.identity("plain") == before) == adopted
    assert run_still(others)


def test_a_manager_killed_while_an_engine_drains_cuts_nobody_off_and_adopts_it(box: Box, others: list[str]) -> None:
    with box.asking("slow") as asked:
        asked.begun.wait(60)
        before = box.identity("slow")
        with killed(box, "while it drains"):
            box.unload("slow")
    assert asked.is_whole
    assert box.ask("slow").status_code == 200
    assert box.there() == box.one_engine("slow")
    assert box.identity("slow") == before
    assert run_still(others)


def test_a_manager_killed_as_an_engine_falls_asleep_comes_back_to_the_same_and_wakes_it(
    box: Box, others: list[str]
) -> None:
    with killed(box, "asleep and nobody told"):
        assert box.ask("sleepy").status_code == 200
        before = box.identity("sleepy")
    assert box.ask("sleepy").status_code == 200
    assert box.there() == box.one_engine("sleepy")
    assert box.identity("sleepy") == before
    assert run_still(others)


@pytest.mark.parametrize("moment", ["before it wakes", "awake and nobody told"])
def test_a_manager_killed_while_an_engine_wakes_comes_back_to_the_same_and_the_request_is_answered(
    box: Box, others: list[str], moment: str
) -> None:
    assert box.ask("sleepy").status_code == 200
    eventually(lambda: box.state("sleepy") == "asleep", "it sleeps", 30)
    before = box.identity("sleepy")
    with killed_by_asking(box, "sleepy", moment) as asked:
        pass
    assert asked.is_whole
    assert box.there() == box.one_engine("sleepy")
    assert box.identity("sleepy") == before
    assert run_still(others)


def test_two_proxies_hear_of_a_drain_and_cut_nobody_off_and_who_comes_then_waits_for_the_next_engine(box: Box) -> None:
    second = Box(replace(box.stack, proxy_port=free_port(), processes={}))
    second.stack.start("proxy")
    try:
        with box.asking("slow") as one, second.asking("slow") as two:
            assert one.begun.wait(60)
            assert two.begun.wait(60)
            before = box.identity("slow")
            box.unload("slow")
            assert box.state("slow") == "draining"
            with second.asking("slow") as late:
                pass
        assert (one.is_whole, two.is_whole, late.is_whole) == (True, True, True)
        assert box.identity("slow") != before
    finally:
        second.stack.end("proxy")


def test_a_hundred_who_ask_at_once_for_a_cold_model_are_answered_after_one_start(box: Box) -> None:
    starts = box.starts("plain")
    assert Counter(asyncio.run(ask_at_once(box, "plain", 100))) == {200: 100}
    assert box.starts("plain") == starts + 1
    assert box.there() == box.one_engine("plain")


async def ask_at_once(box: Box, model: str, count: int) -> list[int]:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    async with httpx.AsyncClient(
        timeout=90, trust_env=False, limits=httpx.Limits(), base_url=box.stack.base_url
    ) as all:
        answers = await asyncio.gather(*(all.post("/v1/chat/completions", json=body) for _ in range(count)))
    return [answer.status_code for answer in answers]


def test_who_waits_for_a_model_that_cannot_start_hears_why_and_when_to_ask_again_and_others_are_served(
    box: Box,
) -> None:
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(box.ask, "broken") for _ in range(5)]
        assert pool.submit(box.ask, "plain").result().status_code == 200
        for answer in [each.result() for each in waiting]:
            assert answer.status_code == 503
            error = answer.json()["error"]
            assert error["code"] == "engine_start_failed"
            assert "exited with status" in error["message"]
            assert "told to die while it loads" in error["message"]
            assert int(answer.headers["retry-after"]) >= 1
    pauses: list[int] = []
    eventually(lambda: longer(box, pauses) >= 2, "the pause between starts grows", 40)
    assert box.ask("plain").status_code == 200


def longer(box: Box, pauses: list[int]) -> int:
    pauses.append(int(box.ask("broken").headers["retry-after"]))
    return max(pauses)


def kill(container: Container) -> None:
    container.kill()


def rename(container: Container) -> None:
    container.rename(f"{container.name}-hidden")


def remove(container: Container) -> None:
    container.remove(force=True)


@pytest.mark.parametrize("harm", [kill, rename, remove])
def test_an_engine_harmed_behind_our_back_is_replaced(box: Box, harm: Callable[[Container], None]) -> None:
    assert box.ask("plain").status_code == 200
    harmed, starts = box.container("plain"), box.starts("plain")
    harm(harmed)
    eventually(lambda: box.ask("plain").status_code == 200 and box.starts("plain") > starts, "replaced", 40)
    assert box.identity("plain") != harmed.id
    assert box.there() == box.one_engine("plain")


def test_a_paused_engine_goes_on_and_what_was_asked_of_it_is_answered(box: Box) -> None:
    with box.asking("slow") as asked:
        assert asked.begun.wait(60)
        before = box.identity("slow")
        box.container("slow").pause()
    assert asked.is_whole
    assert box.identity("slow") == before


def test_an_engine_that_hangs_is_replaced_and_one_that_is_busy_is_not(box: Box) -> None:
    with box.asking("busy") as busy:
        assert busy.begun.wait(60)
        assert box.ask("plain").status_code == 200
        before = {model: box.identity(model) for model in ("busy", "plain")}
        freeze(box.container("plain"))
        with box.asking("plain") as stuck:
            pass
        assert not stuck.is_whole
        assert box.ask("plain").status_code == 200
    assert busy.is_whole
    assert box.identity("busy") == before["busy"]
    assert box.identity("plain") != before["plain"]


def freeze(container: Container) -> None:
    """The engine, not the init process that it is the child of."""
    stop = "[__import__('os').kill(int(pid), 19) for pid in open('/proc/1/task/1/children').read().split()]"
    status, said = container.exec_run(["python3", "-c", stop])
    assert status == 0, said
