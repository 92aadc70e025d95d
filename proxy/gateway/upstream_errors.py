"""How an exchange with an upstream server fails.

UpstreamError
    NotSent         the server can have read nothing of the request: sending it again is safe
    AnswerLost      the connection ended before the answer was whole
    AnswerTimeout   silence past the deadline
    AnswerInvalid   not HTTP, or larger than its bound
"""


class UpstreamError(Exception):
    """An exchange with an upstream server failed. The text is for the log: it may hold an address."""


class NotSent(UpstreamError):
    """The server can have read nothing of the request: sending it again is safe. It took `seconds` to know."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class AnswerLost(UpstreamError):
    """The connection ended before the answer was whole. The server may have acted on the request."""


class AnswerTimeout(UpstreamError):
    """The server was silent past the deadline."""


class AnswerInvalid(UpstreamError):
    """What the server sent is not HTTP, or is larger than its bound."""
