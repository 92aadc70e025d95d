"""Sees the devices' memory every second, and at once when asked.

NVML may block for seconds when a driver hangs, and for ever when it is stuck: a sight has a thread to itself, and a
daemon's, which keeps no process from ending. There are never two at once, and a sight that fails is told and repeated.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread

from manager.box.devices import DeviceReader, DeviceSeen
from manager.events import MemorySeen

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds until a sight that does not end is spoken of
SHORTEST_PAUSE = 0.05  # seconds: whoever asks after every sight keeps no core busy

See = Callable[[], tuple[DeviceSeen, ...]]
_Seen = asyncio.Future[tuple[DeviceSeen, ...] | None]


@dataclass
class Sight:
    """Posts what is seen. `clock` is the supervisor's, `interval` and `pause` are seconds between two sights."""

    post: Callable[[MemorySeen], None]
    clock: Callable[[], float]
    see: See = field(default_factory=lambda: DeviceReader().see)
    interval: float = 1.0
    pause: float = SHORTEST_PAUSE
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _problem: str | None = None

    def look(self) -> None:
        """Asks for a sight that begins after now. Never blocks; for the event loop alone."""
        self._wanted.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._wanted.clear()
            at = self.clock()
            devices = await self._sight()
            if devices is not None:
                self.post(MemorySeen(at, devices))
            await asyncio.sleep(self.pause)
            with suppress(TimeoutError):
                # Not `wait_for`: it can lose a cancellation (see `leases.py`), and a shutdown would wait for ever.
                async with asyncio.timeout(max(0, self.interval - self.pause)):
                    await self._wanted.wait()

    async def _sight(self) -> tuple[DeviceSeen, ...] | None:
        """The devices, or None where they could not be seen."""
        seen: _Seen = asyncio.get_running_loop().create_future()
        Thread(target=self._see_into, args=(seen, seen.get_loop()), name="sight", daemon=True).start()
        done, _ = await asyncio.wait({seen}, timeout=PATIENCE)
        if not done:
            log.warning("the devices' memory could not be read for %.0f s: is a driver stuck?", PATIENCE)
        return await seen

    def _see_into(self, seen: _Seen, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread. Whatever goes wrong, the loop is told that this sight is over."""
        devices, problem = None, "it broke"
        try:
            devices, problem = self.see(), ""
        except OSError as error:  # too many open files, for one: that passes
            problem = str(error)
        finally:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._end, seen, devices, problem)

    def _end(self, seen: _Seen, devices: tuple[DeviceSeen, ...] | None, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning("the devices' memory cannot be read: %s", problem)
        self._problem = problem
        if not seen.done():
            seen.set_result(devices)
