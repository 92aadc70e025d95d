"""The memory of each device: what is there, what others use, and what each model was seen to take. Pure.

An engine's use is the device's difference around its start, its sleep or its waking, since figures of single processes
are wrong in containers and on Windows. While something moves on a device, what others use is taken to be what it was.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from math import inf

from manager.box.devices import DeviceSeen
from manager.fixed import Place
from manager.scheduling.attribution import Use, clear_doubts, grow, shrink, split
from manager.scheduling.stall import HOST, Track
from manager.specification import DeviceKind


@dataclass(frozen=True)
class Limits:
    """Bytes that engines never get, on the host and on each GPU, and the most that they get, by device id."""

    host_reserve: int
    gpu_reserve: int
    caps: Mapping[str, int] = field(default_factory=dict)

    def most(self, device: DeviceSeen) -> int:
        """What engines may have of the device at best."""
        reserve = self.host_reserve if device.kind is DeviceKind.CPU else self.gpu_reserve
        return max(0, min(self.caps.get(device.id, device.total), device.total - reserve))


@dataclass
class _Account:
    """One device. `others` is what programs that are not ours use, None before it was first seen."""

    seen: DeviceSeen
    seen_at: float
    others: int | None = None


class Ledger:
    """Owned by the supervisor. Times are its clock's seconds, memory is bytes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._accounts: dict[str, _Account] = {}
        self._uses: dict[str, Use] = {}
        self._stale: dict[str, float] = {}  # since when something has moved there that was not looked at
        self._changes: dict[str, tuple[float, int]] = {}  # when the last of ours settled or ended, and others' use then
        self._host_held: int | None = None
        self._missed: Set[str] = frozenset()  # devices that the last look did not find

    def __repr__(self) -> str:
        return f"<Ledger of {', '.join(self._accounts) or 'nothing seen yet'}>"

    @property
    def devices(self) -> tuple[DeviceSeen, ...]:
        """As last seen."""
        return tuple(account.seen for account in tuple(self._accounts.values()))

    def others(self, device: str) -> int:
        """What programs that are not ours use."""
        return self._accounts[device].others or 0

    def used(self, model: str) -> int:
        """What the model was seen to take, on the device where it takes most; 0 before it was measured."""
        use = self._uses.get(model)
        return max(use.used.values(), default=0) if use is not None else 0

    def most_used(self, model: str) -> int:
        """What the model takes at most, where it was measured together with others; else as `used`."""
        use = self._uses.get(model)
        if use is None:
            return 0
        return max((amount + use.doubt.get(device, 0) for device, amount in use.used.items()), default=0)

    def is_measured(self, model: str) -> bool:
        """Whether all its devices were looked at since it settled."""
        use = self._uses.get(model)
        return use is not None and all(device in use.used for device in use.place)

    def tracks(self) -> dict[str, Track]:
        """Each device as the scheduler sees it."""
        return {device: self._track(device, account) for device, account in self._accounts.items()}

    def _track(self, device: str, account: _Account) -> Track:
        most, total = self.limits.most(account.seen), account.seen.total
        budget = max(0, min(most, total - (account.others or 0)))
        changed_at, before = self._changes.get(device, (-inf, 0))
        late = max(0, (account.others or 0) - before)
        return Track(most, budget, fresh=device not in self._stale, changed_at=changed_at, late=late)

    # What happens to models

    def moves(self, model: str, place: Place, booked: int, *, expected: int | None = None) -> None:
        """The model starts, wakes or goes to sleep; what it takes is known again when it has settled."""
        self._uses[model] = Use(place, booked, booked if expected is None else expected)

    def settles(self, model: str, now: float) -> None:
        """It is ready, or asleep: the next sight tells what it takes."""
        use = self._uses.get(model)
        if use is not None:
            use.settled_at = now
            self._disturb(use.place, now)

    def adopts(self, model: str, place: Place, used: int, now: float) -> None:
        """It was there before it could be measured."""
        there = dict.fromkeys(place, used)
        self._uses[model] = Use(place, used, used, there, dict(there), settled_at=now)

    def leaves(self, model: str, now: float) -> None:
        """It is gone; whether its memory is back, the next sight tells."""
        use = self._uses.pop(model, None)
        if use is not None:
            self._disturb(use.place, now)

    def _disturb(self, place: Place, now: float) -> None:
        self._stale.update(dict.fromkeys(place, now))
        accounts = {device: self._accounts[device] for device in place if device in self._accounts}
        self._changes.update({device: (now, account.others or 0) for device, account in accounts.items()})

    # What is seen

    def see(self, at: float, devices: Iterable[DeviceSeen], busy: Collection[str], host_held: int | None = 0) -> None:
        """The devices as they were at `at` or later. `busy` are the models with requests.

        `host_held` is what models asleep keep in host memory, None while some of it comes or goes.
        """
        accounts: dict[str, _Account] = {}
        for seen in devices:
            # What is there right after something ended is late memory rather than growth.
            moved = seen.id in self._stale or (seen.id == HOST and host_held != self._host_held)
            if self._stale.get(seen.id, inf) < at:
                del self._stale[seen.id]
            before = self._accounts.get(seen.id)
            accounts[seen.id] = _Account(seen, at, before.others if before is not None else None)
            self._attribute(accounts[seen.id], () if moved else busy, host_held if seen.id == HOST else 0)
        self._host_held = host_held
        # One that was missed once may have been unable to answer: what is known of it holds until the next look.
        missed = self._accounts.keys() - accounts.keys() - self._missed
        self._missed = missed
        # All at once, since threads read the devices too.
        self._accounts = accounts | {device: self._accounts[device] for device in sorted(missed)}

    def _attribute(self, account: _Account, busy: Collection[str], held: int | None) -> None:
        """Whose memory is it? `held` is the sleepers'."""
        device, taken = account.seen.id, account.seen.total - account.seen.free - (held or 0)
        here = {name: use for name, use in self._uses.items() if device in use.place}
        if account.others is None:
            account.others = max(0, taken - sum(use.used.get(device, 0) for use in here.values()))
        if held is None or any(use.settled_at is None or use.settled_at >= account.seen_at for use in here.values()):
            return
        unmeasured = {name: use for name, use in here.items() if device not in use.used}
        rest = taken - account.others - sum(use.used.get(device, 0) for use in here.values())
        if unmeasured:
            account.others += max(0, rest) - split(unmeasured, device, max(0, rest))
            return
        rest -= clear_doubts(here, device, rest)
        if rest > 0:
            account.others += rest - grow([use for name, use in here.items() if name in busy], device, rest)
        else:
            account.others = max(0, account.others + rest + shrink(here.values(), device, -rest))
