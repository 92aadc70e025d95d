"""Why a piece of media is not handed on."""

from contract.errors import DO_NOT_RETRY, ApiError


class MediaRefused(Exception):
    """The caller's media is at fault: `code` for programs, the text for people. It never names an address of ours."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def at(self, path: str) -> ApiError:
        """The caller's error, with the place in the body as its `param`."""
        return ApiError(400, self.code, f"{path}: {self.reason}.", param=path)


def crowded() -> ApiError:
    """More pictures wait than will be decoded soon."""
    message = "The proxy has too many pictures to decode; ask again in a moment."
    return ApiError(503, "overloaded", message, headers={"retry-after": "2"})


def late() -> ApiError:
    """A request's media took longer than all of it may."""
    message = "The request's media took too long to fetch and decode; send less of it, or send it as data URLs."
    return ApiError(400, "media_timeout", message, headers=DO_NOT_RETRY)
