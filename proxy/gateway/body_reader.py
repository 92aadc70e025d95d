"""To whom the bytes of a request's body are given."""

from typing import Final, Protocol


class BodyReader(Protocol):
    """A request, to which its body is fed."""

    keep_alive: bool

    def feed(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Nobody:
    """Stands where no request is: one that was kept would keep its connection, and be kept by it."""

    keep_alive = False

    def feed(self, data: bytes) -> None:
        """Nothing is fed to it."""

    def end(self) -> None:
        """It has no end."""


NOBODY: Final[BodyReader] = Nobody()
