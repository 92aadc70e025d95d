"""The manager, but it dies by its own SIGKILL at one named moment: `python -m tests.fakes.mortal_manager FILE`.

It is the real one, started as `python -m manager` is. On SIGUSR1 it reads the name of a moment from the file, which it
removes: from then on, one of its methods is followed or preceded by its death.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from manager.__main__ import main
from manager.runtimes.docker_api import DockerApi
from manager.supervision.callers import Callers
from manager.supervision.transitions import Transitions

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Moment:
    """A call of a method: the `call`th, before it does anything or when it has done all."""

    owner: type
    method: str
    after: bool
    call: int = 1


def before(owner: type, method: str, call: int = 1) -> Moment:
    return Moment(owner, method, after=False, call=call)


def after(owner: type, method: str, call: int = 1) -> Moment:
    return Moment(owner, method, after=True, call=call)


MOMENTS = {
    "before the container is made": before(DockerApi, "create"),
    "made and not started": after(DockerApi, "create"),
    "started": after(DockerApi, "start"),
    "while it loads": after(Transitions, "phase_reached", call=2),
    "ready and nobody told": before(Transitions, "engine_ready"),
    "while its lessons are written": before(Path, "replace"),
    "ready and told": after(Callers, "lease_admitted"),
    "before it is stopped": before(Transitions, "stop"),
    "stopped and not removed": after(DockerApi, "stop"),
    "removed and its network not": after(DockerApi, "remove"),
    "while it drains": after(Transitions, "drain"),
    "asleep and nobody told": before(Transitions, "engine_asleep"),
    "before it wakes": before(Transitions, "wake"),
    "awake and nobody told": before(Transitions, "engine_awake"),
}


def arm(file: Path) -> None:
    """From now on, the moment is the last one."""
    moment = MOMENTS[file.read_text()]
    original = getattr(moment.owner, moment.method)
    setattr(moment.owner, moment.method, _deadly(original, moment))
    file.unlink()


def _deadly(work: Callable[P, R], moment: Moment) -> Callable[P, R]:
    calls = iter(range(1, moment.call))

    @functools.wraps(work)
    def worked(*args: P.args, **kwargs: P.kwargs) -> R:
        last = next(calls, None) is None
        if last and not moment.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = work(*args, **kwargs)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return worked


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: arm(Path(sys.argv[1])))
    sys.exit(main())
