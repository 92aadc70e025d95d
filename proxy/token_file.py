"""The token that proves to the manager who asks."""

from pathlib import Path

from proxy.gateway.manager import ManagerAbsent


class TokenFile:
    """The token that the manager writes at its first start, and both read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Raises ManagerAbsent while there is none."""
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ManagerAbsent(f"the token file {self._path} cannot be read: {error}") from error
