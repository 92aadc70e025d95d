"""Devices whose memory moves as engines come and go; no asyncio, so that a pure test can drive it, too."""

from collections import defaultdict

from manager.box.devices import DeviceSeen
from manager.specification import DeviceKind

GIB = 2**30


class Box:
    """Devices, what engines use of them, and what `others` use: other programs.

    Where memory lingers, what an engine gives back is free only after `settle()`, as a driver takes its time.
    `shortest` is the least that was ever free on each device; below zero, it was over-booked.
    """

    def __init__(self, total: int = 16 * GIB, gpus: tuple[int, ...] = (), *, lingers: bool = False) -> None:
        self.totals = {f"cuda:{index}": size for index, size in enumerate(gpus)} | {"cpu": total}
        self.others = dict.fromkeys(self.totals, 0)
        self.used: dict[str, dict[str, int]] = {}
        self.lingers = lingers
        self.lingering: defaultdict[str, int] = defaultdict(int)
        self.shortest = dict(self.totals)

    def take(self, engine: str, devices: tuple[str, ...], amount: int) -> None:
        """The engine uses so many bytes of each device, from now on."""
        self.give_back(engine)
        self.used[engine] = dict.fromkeys(devices, amount)
        for device in devices:
            self.shortest[device] = min(self.shortest[device], self.free(device))

    def give_back(self, engine: str) -> None:
        for device, amount in self.used.pop(engine, {}).items():
            if self.lingers:
                self.lingering[device] += amount

    def settle(self) -> None:
        """What was given back is free."""
        self.lingering.clear()

    def free(self, device: str) -> int:
        ours = sum(use.get(device, 0) for use in self.used.values())
        return self.totals[device] - self.others[device] - self.lingering[device] - ours

    def see(self) -> tuple[DeviceSeen, ...]:
        """As `manager.devices` sees a real one."""
        return tuple(
            DeviceSeen(device, kind_of(device), device, total, max(0, self.free(device)))
            for device, total in self.totals.items()
        )


def kind_of(device: str) -> DeviceKind:
    return DeviceKind.CPU if device == "cpu" else DeviceKind.CUDA
