"""What both kinds of stack offer, and which one is meant."""

from typing import Protocol

from cli.settings import CliSettings, Runtime
from cli.stack_compose import ComposeStack
from cli.stack_local import LocalStack
from cli.steps import Steps


class Stack(Protocol):
    """Manager and proxy on this machine. Every method may be run again, and raises Failure."""

    @property
    def logs(self) -> str:
        """Where people find the logs."""
        ...

    def prepare(self, steps: Steps) -> None:
        """All that has to be there before a start."""
        ...

    def up(self, steps: Steps) -> None:
        """Starts it, or leaves it running; returns once the proxy answers."""
        ...

    def down(self, steps: Steps) -> None:
        """Ends all that it started, engines included."""
        ...


def stack_of(runtime: Runtime, settings: CliSettings) -> Stack:
    return ComposeStack(settings) if runtime == "docker" else LocalStack(settings)
