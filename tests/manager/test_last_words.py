"""What is told of an engine that failed: the end of its log, and the cause where the engine's file knows its words."""

import pytest

from manager.engines.vllm import ENGINE
from manager.running.last_words import SEARCHED_LINES, TAIL_LINES, explained, with_last_words
from manager.specification import EngineError, Failure

pytestmark = pytest.mark.anyio

FAULTS = (("no room", "raise its `memory`"), ("room", "never reached where there is no room"))
CAUSE = "ValueError: no room"


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (
            "ValueError: Free memory on device cuda:0 (2.1/23.6 GiB) on startup is less than desired GPU memory "
            "utilization (0.9, 21.3 GiB). Decrease GPU memory utilization",
            "other programs hold the device's memory",
        ),
        (
            "ValueError: To serve at least one request with the models's max seq len (131072), (16.0 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (3.1 GiB).",
            "lower `args.max-model-len`",
        ),
        ("ValueError: No available memory for the cache blocks. Try increasing", "raise its `memory`"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB. GPU 0 has a total capacity of",
            "`args.max-num-seqs`",
        ),
        (
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4",
            '`args.dtype` to "half"',
        ),
    ],
)
def test_what_vllm_says_of_a_device_too_small_becomes_the_entry_to_change(line: str, advice: str) -> None:
    log = ("INFO loading", line, "RuntimeError: Engine core initialization failed. See root cause above.")
    told = explained("the engine exited with status 1 while starting", log, ENGINE.faults)
    assert told.startswith("the engine exited with status 1 while starting: ")
    assert advice in told


def test_words_that_nobody_knows_leave_the_reason_as_it_is() -> None:
    assert explained("it ended", ("a bug",), FAULTS) == "it ended"
    assert explained("it ended", (), FAULTS) == "it ended"


@pytest.mark.parametrize(
    ("is_start", "lines_after", "is_explained"),
    [
        (True, SEARCHED_LINES - 1, True),
        (True, SEARCHED_LINES, False),
        (False, TAIL_LINES - 1, True),
        (False, TAIL_LINES, False),
    ],
)
async def test_after_a_start_the_cause_may_stand_far_up_and_of_one_that_served_only_at_the_end(
    is_start: bool, lines_after: int, is_explained: bool
) -> None:
    log = (CAUSE, *("and then" for _ in range(lines_after)))

    async def tail(lines: int) -> tuple[str, ...]:
        return log[-lines:]

    failure = await with_last_words(Failure("code", "it ended"), FAULTS, tail, is_start=is_start)
    assert failure.reason == ("it ended: raise its `memory`" if is_explained else "it ended")
    assert failure.log_tail == log[-TAIL_LINES:]


async def test_a_log_that_cannot_be_read_leaves_the_failure_as_it_is() -> None:
    async def tail(lines: int) -> tuple[str, ...]:
        raise EngineError("docker_failed", "no daemon")

    failure = Failure("code", "it ended", ("what was read before",))
    assert await with_last_words(failure, FAULTS, tail, is_start=True) == failure
