"""When a worker counts as hung, with answers that a test gives."""

import asyncio

import pytest

from proxy.workers.watch import QUESTIONS, silence

pytestmark = pytest.mark.anyio


async def asked(answers: list[bool]) -> list[float]:
    """How long each question waited for its answer, until the worker counted as silent."""
    left, waits = iter(answers), list[float]()

    async def ask(seconds: float) -> bool:
        waits.append(seconds)
        return next(left)

    await silence(ask, 0.003)
    return waits


async def test_a_worker_is_silent_after_that_many_questions_without_an_answer() -> None:
    waits = await asked([False] * QUESTIONS)
    assert len(waits) == QUESTIONS
    assert sum(waits) == pytest.approx(0.003)


async def test_one_answer_and_all_questions_before_it_are_forgotten() -> None:
    answers = [True, False, False, True, False, True, *[False] * QUESTIONS]
    assert len(await asked(answers)) == len(answers)


async def test_a_worker_that_answers_is_never_silent() -> None:
    async def ask(_: float) -> bool:
        return True

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await silence(ask, 0.003)
