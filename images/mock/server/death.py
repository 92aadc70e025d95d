"""The sudden end of the engine: its last words on stderr, as a fault's, and no farewell to anybody."""

import os
import sys
from typing import NoReturn

STATUS = 1


def die(why: str) -> NoReturn:
    """Ends the process at once with status 1. Connections are cut, nothing is cleaned up."""
    words = f'Traceback (most recent call last):\n  File "mock", line 1, in <module>\nRuntimeError: {why}\n'
    sys.stderr.write(words)
    sys.stderr.flush()
    os._exit(STATUS)
