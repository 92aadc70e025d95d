"""How far what a connection brings has been read."""

from enum import Enum, auto
from typing import Final


class Phase(Enum):
    """What is read next."""

    IDLE = auto()  # a request, or the connection's end
    HEAD = auto()
    BODY = auto()
    WHOLE = auto()  # nothing that we wait for: a request is being answered
    OVER = auto()  # nothing any more


# To look one up in its class takes longer than most of what is done with it.
IDLE: Final = Phase.IDLE
HEAD: Final = Phase.HEAD
BODY: Final = Phase.BODY
WHOLE: Final = Phase.WHOLE
OVER: Final = Phase.OVER
