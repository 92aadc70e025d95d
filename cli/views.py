"""What the verbs print: tables of models, and one line that follows a load."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from cli.steps import Say
from contract.sizes import show_bytes
from contract.states import ModelState, ModelStatus

QUIET = frozenset({ModelState.STOPPED, ModelState.UNAVAILABLE})


def running_table(models: Iterable[ModelStatus]) -> Table:
    """Engines that are running, coming or going, or that failed."""
    table = _table("model", "engine", "state", "phase", "seconds", "memory", "device", "leases")
    for model in models:
        if model.state not in QUIET:
            table.add_row(*map(escape, (model.name, model.engine, *_activity(model), *_placement(model))))
    return table


def catalogue_table(models: Iterable[ModelStatus]) -> Table:
    """Every model of the catalogue."""
    table = _table("model", "type", "engine", "state", "why")
    for model in models:
        kinds = ", ".join(kind.value for kind in model.type)
        table.add_row(*map(escape, (model.name, kinds, model.engine, model.state.value, model.reason or "")))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _activity(model: ModelStatus) -> tuple[str, str, str]:
    return model.state.value, model.phase or model.reason or "", _seconds(model)


def _placement(model: ModelStatus) -> tuple[str, str, str]:
    return show_bytes(model.memory) if model.memory else "", model.device or "", str(model.leases)


def _seconds(model: ModelStatus) -> str:
    if model.seconds is None:
        return ""
    usual = f" of about {model.usual_seconds:.0f}" if model.usual_seconds else ""
    return f"{model.seconds:.0f}{usual}"


def progress_of(model: ModelStatus) -> str:
    """A status in one line, as it is shown while a load goes on."""
    state, phase, seconds = _activity(model)
    return "  ".join(filter(None, (model.name, state, phase, f"{seconds} s" if seconds else "")))


@contextmanager
def live_line(console: Console, first: str) -> Iterator[Say]:
    """A line that is overwritten on a terminal; elsewhere every new text is a line of its own."""
    if not console.is_terminal:
        yield _each_once(console)
        return
    with Status(escape(first), console=console, spinner="line") as status:
        yield lambda line: status.update(escape(line[: console.width - 4]))


def _each_once(console: Console) -> Say:
    said: list[str] = []

    def say(line: str) -> None:
        if said[-1:] != [line]:
            said.append(line)
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return say
