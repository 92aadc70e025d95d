"""Following a model on its way: one live line until it is ready, stopped or failed."""

from rich.console import Console

from cli.client import Client
from cli.failures import Failure
from cli.views import live_line, progress_of
from contract.states import ModelState, ModelStatus

LOADED = frozenset({ModelState.READY, ModelState.UNAVAILABLE})
UNLOADED = frozenset({ModelState.STOPPED, ModelState.UNAVAILABLE})
# These may be what is left of an earlier attempt until the manager has taken up the verb.
BROKEN_OFF = frozenset({ModelState.FAILED, ModelState.STOPPED})


def follow_load(client: Client, name: str, console: Console) -> None:
    """Loads a model and shows how it goes. Raises Failure with reason and log tail when it cannot be made ready."""
    last = _follow(client, client.load(name), LOADED, console)
    if last.state is not ModelState.READY:
        cause = f"{last.name} is {last.state.value}: {last.reason or 'no reason was given'}"
        raise Failure(cause, f"The engine's whole log: ./setup.sh logs {last.name}", last.log_tail)
    console.print(f"{last.name} is ready", highlight=False)


def follow_unload(client: Client, name: str, console: Console) -> None:
    """Unloads a model and shows how it goes."""
    last = _follow(client, client.unload(name), UNLOADED, console)
    console.print(f"{last.name} is {last.state.value}", highlight=False)


def _follow(client: Client, first: ModelStatus, ends: frozenset[ModelState], console: Console) -> ModelStatus:
    """The status that the model came to rest in. A rest that was there before counts once nothing moved for a while."""
    with live_line(console, progress_of(first)) as say:
        if first.state in ends:
            return first
        moved = False
        for status, is_news in client.changes(first.name):
            say(progress_of(status))
            moved = moved or status.state not in BROKEN_OFF or not is_news
            if status.state in ends or (moved and status.state in BROKEN_OFF):
                return status
    raise Failure("the stream of changes ended", "Is the stack being stopped? ./setup.sh ps")
