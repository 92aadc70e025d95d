"""What the verbs print: tables of models and devices, and one line that follows a load."""

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from cli.steps import Say
from contract.sizes import show_bytes
from contract.states import DeviceStatus, ModelState, ModelStatus

QUIET = frozenset({ModelState.STOPPED, ModelState.UNAVAILABLE})


def running_table(models: Iterable[ModelStatus]) -> Table:
    """Engines that are running, asleep, coming or going, or that failed.

    `memory` is what they are booked with on each of their devices, `used` and `peak` what was measured there.
    """
    table = table_of(
        "model", "engine", "state", "memory", "used", "peak", "device", "leases", wrapped={"model", "state"}
    )
    for model in models:
        if model.state not in QUIET:
            table.add_row(*map(escape, (model.name, model.engine, _activity(model), *_placement(model))))
    return table


def catalogue_table(models: Iterable[ModelStatus]) -> Table:
    """Every model of the catalogue."""
    table = table_of("model", "type", "engine", "state", "why", wrapped={"model", "type", "why"})
    for model in models:
        kinds = ", ".join(kind.value for kind in model.type)
        table.add_row(*map(escape, (model.name, kinds, model.engine, model.state.value, model.reason or "")))
    return table


def device_table(devices: Iterable[DeviceStatus]) -> Table:
    """Every device: what models may have of it, what is free, and who has the rest."""
    table = table_of(
        "device", "name", "total", "budget", "free", "booked", "others", "models", wrapped={"name", "models"}
    )
    for device in devices:
        amounts = (device.total, device.budget, device.free, device.booked, device.others)
        table.add_row(*map(escape, (device.id, device.name, *map(show_bytes, amounts), ", ".join(device.models))))
    return table


def table_of(*columns: str, wrapped: Container[str]) -> Table:
    """Where the terminal is narrow, the text of the `wrapped` columns goes on below; amounts stay in one piece."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in wrapped)
    return table


def _activity(model: ModelStatus) -> str:
    """`starting: loading weights, 12 of about 40 s`."""
    details = ", ".join(filter(None, (model.phase or model.reason or _sleep(model), _seconds(model))))
    return f"{model.state.value}: {details}" if details else model.state.value


def _sleep(model: ModelStatus) -> str:
    level = "" if model.sleep_level is None else f"level {model.sleep_level}"
    kept = f"{show_bytes(model.host_memory)} in host memory" if model.host_memory else ""
    return ", ".join(filter(None, (level, kept)))


def _placement(model: ModelStatus) -> tuple[str, ...]:
    amounts = (show_bytes(amount) if amount else "" for amount in (model.memory, model.used, model.peak))
    return *amounts, ", ".join(model.devices) or model.device or "", str(model.leases)


def _seconds(model: ModelStatus) -> str:
    if model.seconds is None:
        return ""
    usual = f" of about {model.usual_seconds:.0f}" if model.usual_seconds else ""
    return f"{model.seconds:.0f}{usual} s"


def progress_of(model: ModelStatus) -> str:
    """A status in one line, as it is shown while a load goes on."""
    return "  ".join(filter(None, (model.name, model.state.value, model.phase or model.reason, _seconds(model))))


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
