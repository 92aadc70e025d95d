"""Files, elsewhere than on this disk, of what is no artifact any more: removed, and tried again where that failed."""

from functools import partial
from itertools import islice

from contract.artifacts import Sidecar
from proxy.artifacts.backroom import Backroom, log_failure

MOST = 100_000
A_FEW = 8  # that a caller who removes another waits for


class Leftovers:
    """What is left at the process's end is removed at the next start, as the index remembers what was removed."""

    def __init__(self, room: Backroom) -> None:
        self._room = room
        self._waiting: dict[str, Sidecar] = {}

    def __repr__(self) -> str:
        return f"<Leftovers of {len(self._waiting)} artifacts>"

    async def forget(self, sidecar: Sidecar) -> None:
        """Its row is gone: nobody finds it any more, whether its files can be removed now or later."""
        if len(self._waiting) < MOST:
            self._waiting[sidecar.id] = sidecar
        await log_failure(self._forget(sidecar), f"the files of {sidecar.id} are removed later")
        if sidecar.id not in self._waiting:
            await log_failure(self.retry(A_FEW), "files of what was removed earlier are removed later")

    async def retry(self, most: int = MOST) -> None:
        """Remove some of what is left by now, oldest first. Raises ApiError where it still cannot be done."""
        for sidecar in tuple(islice(self._waiting.values(), most)):
            await self._forget(sidecar)

    async def _forget(self, sidecar: Sidecar) -> None:
        await self._room.read(partial(self._room.folder.forget, sidecar))
        self._waiting.pop(sidecar.id, None)
