"""How a model's way to readiness stands, as the manager tells it."""

import asyncio

from contract.lease import LeaseEvent, Starting, Waking, describe


class Progress:
    """`words` are for people, `stage` for programs.

    `known` is set once the manager has said how the model stands, or cannot be asked.
    """

    def __init__(self) -> None:
        self.words = "asking the manager"
        self.stage = "asking"
        self.known = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._usual_end: float | None = None

    def follow(self, event: LeaseEvent) -> None:
        """News from the manager."""
        self.say(describe(event), event.event)
        match event:
            case Starting(usual_seconds=float(usual)) | Waking(usual_seconds=float(usual)):
                self._usual_end = self._loop.time() + usual - event.seconds
            case _:
                pass

    def say(self, words: str, stage: str) -> None:
        """News of our own."""
        self.words = words
        self.stage = stage
        self._usual_end = None
        self.known.set()

    def remaining(self) -> float | None:
        """Seconds until the model is usually ready, less than 0 where it is late; None where nobody knows."""
        return None if self._usual_end is None else self._usual_end - self._loop.time()
