"""What bounds a request on its way through."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ForwardLimits:
    """Seconds, and bytes.

    first_token, between_tokens: silence of a stream
    plain: a whole answer, from its sending to its end
    gone: a request that found no engine is offered again for so long; the manager may need a moment to notice
    comments_count: whether an engine that sends comments alone is at work
    heartbeat_after, heartbeat_every: comments on a stream that waits
    answer_size: a plain answer
    event_size: one event of a stream
    """

    first_token: float = 120.0
    between_tokens: float = 60.0
    plain: float = 15 * 60.0
    gone: float = 5.0
    heartbeat_after: float = 5.0
    heartbeat_every: float = 10.0
    answer_size: int = 64 * 2**20
    event_size: int = 16 * 2**20
    comments_count: bool = False


@dataclass(frozen=True)
class LeaseLimits:
    """Seconds, and requests per model.

    linger: a lease stays open so long after its last request
    wait: a request waits so long for its model
    absence: requests that wait are told after the manager was away so long
    """

    linger: float = 2.0
    wait: float = 15 * 60.0
    absence: float = 30.0
    waiting: int = 512
    in_flight: int = 1024


@dataclass(frozen=True)
class ConnectionLimits:
    """Seconds and bytes.

    head, body: to the end of a request's head; without a byte of its body
    write: a caller that does not read
    """

    head: float = 10.0
    body: float = 60.0
    write: float = 60.0
    head_size: int = 64 * 2**10
    header_count: int = 200
    url_size: int = 8 * 2**10
