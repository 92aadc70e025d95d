"""A ledger for tests: of GPUs of 100 bytes, and whatever else a test names."""

from manager.box.devices import DeviceSeen
from manager.fixed import Place
from manager.scheduling.ledger import Ledger, Limits
from manager.scheduling.stall import Track
from manager.specification import DeviceKind

GPU, OTHER = ("cuda:0",), ("cuda:1",)
BOTH = (*GPU, *OTHER)


class Book:
    """A ledger of GPUs of 100 bytes, on a clock that moves with every call."""

    def __init__(self, limits: Limits | None = None, **taken: int) -> None:
        self.ledger = Ledger(limits or Limits(0, 0))
        self.now = 0.0
        self.taken = {"cuda:0": 0} | {name.replace("_", ":"): amount for name, amount in taken.items()}
        self.see()

    def see(self, *busy: str, at: float | None = None, held: tuple[int | None, ...] = (), **taken: int) -> None:
        self.now += 1
        self.taken |= {name.replace("_", ":"): amount for name, amount in taken.items()}
        seen = [
            DeviceSeen(name, DeviceKind.CPU if name == "cpu" else DeviceKind.CUDA, name, 100, 100 - amount)
            for name, amount in self.taken.items()
        ]
        self.ledger.see(self.now if at is None else at, seen, set(busy), *held)

    def moves(self, model: str, booked: int = 30, place: Place = GPU, expected: int | None = None) -> None:
        self.now += 1
        self.ledger.moves(model, place, booked, expected=expected)

    def settles(self, *models: str) -> None:
        for model in models:
            self.now += 1
            self.ledger.settles(model, self.now)

    def ready(self, model: str, takes: int, booked: int = 30) -> None:
        """The model starts, is ready and was looked at."""
        self.moves(model, booked)
        self.settles(model)
        self.see(cuda_0=self.taken["cuda:0"] + takes)

    def leaves(self, model: str) -> None:
        self.now += 1
        self.ledger.leaves(model, self.now)

    def track(self, device: str = "cuda:0") -> Track:
        return self.ledger.tracks()[device]

    @property
    def others(self) -> int:
        return self.ledger.others("cuda:0")


def sizes(book: Book, device: str = "cuda:0") -> tuple[int, int]:
    """What engines may have of a device at best, and now."""
    return book.track(device).most, book.track(device).budget
