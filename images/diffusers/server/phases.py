"""Which part of its start the engine is at: the last thing that it said of it."""

import logging

FIRST = "starting"


class Phases(logging.Handler):
    """Listens to the engine's own log. `now` is the last line that was information and no warning."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.now = FIRST

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            self.now = record.getMessage()
