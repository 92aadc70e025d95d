"""What an engine's log says of its end: its last lines, and the cause where the engine's file knows its words."""

from collections.abc import Awaitable, Callable, Iterable

from manager.specification import EngineError, Failure

TAIL_LINES = 40
SEARCHED_LINES = 400  # an engine of several processes tells the cause of a failed start first, then much that follows

Tail = Callable[[int], Awaitable[tuple[str, ...]]]
Faults = Iterable[tuple[str, str]]


async def with_last_words(failure: Failure, faults: Faults, tail: Tail, *, is_start: bool) -> Failure:
    """The failure with the end of the log, and its reason with the cause.

    After a start the cause may stand far up; what stands far up after a day of service is of another day.
    """
    try:
        log = await tail(SEARCHED_LINES if is_start else TAIL_LINES)
    except EngineError:
        return failure
    return Failure(failure.code, explained(failure.reason, log, faults), failure.log_tail or log[-TAIL_LINES:])


def explained(reason: str, log: Iterable[str], faults: Faults) -> str:
    """A reason, with what the first of the faults whose words stand in the log means and what helps."""
    text = "\n".join(log)
    meaning = next((meaning for words, meaning in faults if words in text), None)
    return reason if meaning is None else f"{reason}: {meaning}"
