"""What is known beforehand of the requests of one path, so that they need not wait for a task."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.usage import Usage
from proxy.gateway.peeked import Peeked


@dataclass(frozen=True)
class Lane:
    """One path of the capability table whose requests are JSON.

    line: the method and the path at the engine
    body_size: a larger body is for the ordinary way
    needs_more: whether something must be done to a body before it is sent
    expect: what was read of a body, and its size -> what it is taken to cost
    """

    path: str
    line: bytes
    body_size: int
    needs_more: Callable[[bytes], bool]
    expect: Callable[[Peeked, int], Usage]


def needs_nothing(_body: bytes) -> bool:
    """Of paths whose bodies are sent as they are."""
    return False
