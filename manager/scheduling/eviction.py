"""Who makes room, and how: pure arithmetic over what is on the devices.

Idle models go first: longest unused before others, weighed by how long each takes to come back. They sleep where they
can and where that is enough, else they are stopped. Busy ones that have had their share of time are drained. Pinned
ones stay.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from contract.states import ModelState
from manager.fixed import Place
from manager.scheduling.stall import HOST, Action, Bed, Drain, Rules, Sleep, Stall, Stop, Tracks
from manager.scheduling.victims import choose_victims

IDLE = "idle"
MAKES_ROOM = "makes room"
LATE_SECONDS = 3.0  # memory of an engine that ended may take so long to come back: nobody else has to go for it


class Room:
    """What is taken of each device, what is on its way out, and the actions that change it."""

    def __init__(self, now: float, seated: Iterable[Stall], tracks: Tracks, rules: Rules, *, may_evict: bool) -> None:
        self.now = now
        self.seated = tuple(seated)
        self.tracks = tracks
        self.rules = rules
        self.may_evict = may_evict
        self.actions: list[Action] = []
        self.going: set[str] = set()
        self.moving: set[str] = set()  # devices that somebody is about to leave
        self.taken = dict.fromkeys(tracks, 0)
        self.leaving = dict.fromkeys(tracks, 0)
        self.host_held = 0
        for stall in self.seated:
            self._count(stall)
        for device, track in tracks.items():
            if now - track.changed_at < LATE_SECONDS:
                self.leaving[device] += track.late

    def _count(self, stall: Stall) -> None:
        for device in stall.place:
            if device in self.taken:
                self.taken[device] += stall.holds
                self.leaving[device] += stall.leaving
        self._hold_in_host(stall.host_held)

    def _hold_in_host(self, amount: int) -> None:
        self.host_held += amount
        if HOST in self.taken:
            self.taken[HOST] += amount

    def could_hold(self, stall: Stall, place: Place) -> bool:
        """Whether the place would do if nothing else were there."""
        return all(device in self.tracks and stall.grant <= self.tracks[device].most for device in place)

    def fits(self, stall: Stall, place: Place, reserved: Mapping[str, int] | None = None) -> bool:
        """Whether there is room now; and also where `reserved` bytes are for others, when all that may go has gone."""
        if any(self.missing(stall, device) > 0 for device in place):
            return False
        return reserved is None or all(self._lasting(device, stall) >= reserved[device] for device in place)

    def _lasting(self, device: str, stall: Stall) -> int:
        """What would be left beside the model and those that never go."""
        pinned = sum(held_by(each, device) for each in self.seated if each.pinned and each.name != stall.name)
        return self.tracks[device].budget - pinned - min(stall.need, max(stall.grant, self.tracks[device].most))

    def take(self, stall: Stall, place: Place) -> None:
        """The model is booked there from now on: who waits behind it knows that it can end again."""
        for device in place:
            self.taken[device] += self.more(stall, device)
        begun = replace(stall, state=ModelState.STARTING, place=place, holds=stall.need)
        self.seated = (*(each for each in self.seated if each.name != stall.name), begun)

    def more(self, stall: Stall, device: str) -> int:
        """What the model would take beside what it holds. A peak that was seen does not lock it out of its device."""
        need = min(stall.need, max(stall.grant, self.tracks[device].most))
        return need - (stall.holds if device in stall.place else 0)

    def missing(self, stall: Stall, device: str) -> int:
        return self.more(stall, device) - (self.tracks[device].budget - self.taken[device])

    def make(self, wanted: Stall, place: Place) -> bool:
        """Whether enough is on its way out of the place, after asking for more if it was not."""
        missing = {device: self.missing(wanted, device) - self.leaving[device] for device in place}
        missing = {device: amount for device, amount in missing.items() if amount > 0}
        if not missing:
            return True
        evictable = [stall for stall in self.seated if self._may_go(stall, wanted)]
        awake = [stall for stall in evictable if stall.state is not ModelState.ASLEEP]
        # Those that are awake sleep; where that is not enough, sleepers are stopped; where it still is not, all are.
        for going, sleeping in ((awake, True), (evictable, True), (evictable, False)):
            frees = {stall.name: self._frees(stall, sleeping=sleeping) for stall in going}
            victims = choose_victims(going, frees, missing, self.now)
            if victims is not None:
                for victim in victims:
                    self._evict(victim, sleeping=sleeping)
                return True
        return False

    def _may_go(self, stall: Stall, wanted: Stall) -> bool:
        if not self.may_evict or stall.pinned or stall.name in self.going or stall.name == wanted.name:
            return False
        if stall.state is ModelState.ASLEEP:
            return True
        had_its_share = self.now - stall.ready_since >= self.rules.fair_share and wanted.awaited
        return stall.state is ModelState.READY and (stall.leases == 0 or had_its_share)

    def _frees(self, stall: Stall, *, sleeping: bool) -> Mapping[str, int]:
        """Bytes that come free on each device when the model sleeps, if it can, or is stopped."""
        sleeps = sleeping and stall.state is not ModelState.ASLEEP and self._bed_of(stall)
        kept = stall.residue if sleeps else 0
        freed = dict.fromkeys(stall.place, max(0, stall.holds - kept))
        if stall.host_held:
            freed[HOST] = freed.get(HOST, 0) + stall.host_held
        return freed

    def _bed_of(self, stall: Stall) -> Bed | None:
        """The lightest sleep for which there is host memory."""
        free = self.rules.sleep_memory - self.host_held
        if HOST in self.tracks:
            free = min(free, self.tracks[HOST].budget - self.taken[HOST])
        return next((bed for bed in stall.beds if not bed.keeps_weights or stall.weights <= free), None)

    def _evict(self, victim: Stall, *, sleeping: bool) -> None:
        if not sleeping or victim.state is ModelState.ASLEEP:
            self.put_away(victim, None, MAKES_ROOM)
            return
        bed = self._bed_of(victim)
        if not self._demote_for(victim, bed):
            self.put_away(victim, bed, MAKES_ROOM)

    def _demote_for(self, stall: Stall, bed: Bed | None) -> bool:
        """Whether models asleep for longer are stopped first, so that this one's weights have room in host memory."""
        if not stall.beds or stall.beds[0] == bed:
            return False
        sleepers = [each for each in self.seated if each.host_held and each.name not in self.going]
        older = [each for each in sleepers if _sleeps_unwanted(each) and each.last_used < stall.last_used]
        missing = {HOST: stall.weights - (self.rules.sleep_memory - self.host_held)}
        if HOST in self.tracks:
            missing[HOST] = max(missing[HOST], stall.weights - (self.tracks[HOST].budget - self.taken[HOST]))
        ending = [each for each in self.seated if each.state is ModelState.STOPPING or each.name in self.going]
        missing[HOST] -= sum(each.host_held for each in ending)
        if missing[HOST] <= 0:
            return True  # they were asked to go before, and have not gone yet
        frees = {each.name: {HOST: each.host_held} for each in older}
        for each in choose_victims(older, frees, missing, self.now) or ():
            self.put_away(each, None, "makes room for another to sleep")
        return any(each.name in self.going for each in older)

    def put_away(self, stall: Stall, bed: Bed | None, why: str) -> None:
        self.going.add(stall.name)
        self.moving.update(stall.place)
        for device in stall.place:
            if device in self.leaving:
                self.leaving[device] += max(0, stall.holds - (stall.residue if bed else 0))
        if bed is not None and bed.keeps_weights:
            self._hold_in_host(stall.weights)
        if stall.leases and stall.state is ModelState.READY:
            self.actions.append(Drain(stall.name, bed, why))
        else:
            self.actions.append(Sleep(stall.name, bed, why) if bed is not None else Stop(stall.name, why))

    def rest_idle(self, unquiet: Set[str]) -> None:
        """Who was not used for its idle time goes to sleep or is stopped; who slept for long is stopped.

        Not on an `unquiet` device: what two take or leave at once cannot be told apart.
        """
        if not self.may_evict:
            return
        for stall in self.seated:
            if stall.name in self.going or stall.pinned or stall.leases or stall.wanted_since is not None:
                continue
            if not (unquiet | self.moving).isdisjoint(stall.place):
                continue
            unused = self.now - stall.last_used
            if stall.state is ModelState.READY and unused >= stall.idle_timeout:
                self.put_away(stall, self._bed_of(stall) if stall.idle_timeout > 0 else None, IDLE)
            elif stall.state is ModelState.ASLEEP and self.now - stall.asleep_since >= stall.asleep_timeout:
                self.put_away(stall, None, IDLE)


def held_by(stall: Stall, device: str) -> int:
    """What the end of the model would give back there."""
    return (stall.holds if device in stall.place else 0) + (stall.host_held if device == HOST else 0)


def _sleeps_unwanted(stall: Stall) -> bool:
    return stall.state is ModelState.ASLEEP and stall.wanted_since is None and not stall.pinned
