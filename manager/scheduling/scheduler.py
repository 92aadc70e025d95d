"""What to start, wake, drain and put away next: stalls in, actions out; no asyncio, no effects, no clock of its own.

The first waiting model that does not fit makes room for itself (`eviction.py`). Whoever waits behind it on the same
devices does not overtake it, so a steady stream for one model cannot starve another; and a model that was waited for
keeps its place for a fair share of time, so two that do not fit together take turns. A want whose caller has left
comes after all others, and no busy model is drained for it. On one device one model moves at a time, and only after its
memory was looked at: what a start takes is measured as the device's difference around it.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping

from contract.sizes import show_bytes
from contract.states import ModelState
from manager.fixed import Place
from manager.scheduling.eviction import Room
from manager.scheduling.lines import Key, Lines, Places, key_of
from manager.scheduling.prospects import BLIND_SECONDS, blind, has_waited, is_hopeless, why_hopeless
from manager.scheduling.stall import ARRIVING, MOVING, Action, Fetch, Refuse, Rules, Stall, Start, Tracks, Wake


class Scheduler:
    """Keeps what it was told of each model, in the order in which they are waited for.

    A decision looks at the models that are on a device and at the first of those that wait; its cost does not grow with
    those that wait behind.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._stalls: dict[str, Stall] = {}
        self._seated: dict[str, Stall] = {}
        self._waiting = Lines()
        self._absent: list[Key] = []  # those whose weights have to be fetched first
        self._fetching: set[str] = set()
        self._most: Mapping[str, int] = {}  # what the devices were when those who wait were lined up

    def __repr__(self) -> str:
        return f"<Scheduler of {len(self._stalls)} models, {len(self._seated)} seated, {len(self._waiting)} waiting>"

    def put(self, stall: Stall) -> None:
        """What is known of a model now."""
        self.remove(stall.name)
        self._stalls[stall.name] = stall
        if stall.place:
            self._seated[stall.name] = stall
        if stall.state is ModelState.FETCHING:
            self._fetching.add(stall.name)
        key = key_of(stall)
        if key is not None and stall.here:
            self._waiting.join(key, self._possible(stall))
        elif key is not None:
            insort(self._absent, key)

    def remove(self, name: str) -> None:
        """The model is not managed any more."""
        known = self._stalls.pop(name, None)
        self._seated.pop(name, None)
        self._fetching.discard(name)
        self._waiting.leave(name)
        key = key_of(known) if known is not None and not known.here else None
        if key is not None:
            del self._absent[bisect_left(self._absent, key)]

    def position(self, name: str) -> int:
        """Of those that wait, 1 is next; 0 where it does not wait."""
        stall = self._stalls.get(name)
        key = key_of(stall) if stall is not None else None
        return self._waiting.before(key) + 1 if key is not None else 0

    def decide(self, now: float, tracks: Tracks, *, may_evict: bool = True) -> tuple[Action, ...]:
        """All that should happen now. Not `may_evict`: nothing that is ready is put away."""
        self._line_up({device: track.most for device, track in tracks.items()})
        room = Room(now, self._seated.values(), tracks, self.rules, may_evict=may_evict)
        plan = _Plan(room)
        room.actions.extend(Fetch(name) for name in self._to_fetch(now))
        for name in self._waiting.in_order(plan.claimed):
            if self._stalls[name].retry_at <= now:
                plan.seat(self._stalls[name])
        plan.wake_beside()
        room.rest_idle(plan.unquiet)
        return tuple(room.actions)

    def _line_up(self, most: Mapping[str, int]) -> None:
        """Where devices came or went, or are of another size, everybody may have other places."""
        if most != self._most:
            self._most = most
            for stall in tuple(self._stalls.values()):
                self.put(stall)

    def _possible(self, stall: Stall) -> Places:
        """Where the model could run if nothing else were there."""
        places = (stall.place,) if stall.state is ModelState.ASLEEP else stall.places
        return tuple(place for place in places if all(self._could_hold(stall, device) for device in place))

    def _could_hold(self, stall: Stall, device: str) -> bool:
        return device in self._most and self._most[device] >= stall.grant

    def _to_fetch(self, now: float) -> list[str]:
        free = max(0, self.rules.fetches - len(self._fetching))
        if not free:
            return []
        return [name for _, _, name in self._absent if self._stalls[name].retry_at <= now][:free]


class _Plan:
    """One decision: who is seated where, and which devices somebody waits for."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.claimed: set[str] = set()  # nobody overtakes there
        self.reserved = dict.fromkeys(room.tracks, 0)  # what those who claim devices will need there
        self.arriving = {device for stall in room.seated if stall.state in ARRIVING for device in stall.place}
        self.unquiet = {device for stall in room.seated if stall.state in MOVING for device in stall.place}
        self.stale = {device for device, track in room.tracks.items() if not track.fresh}
        self.unquiet |= self.stale

    def seat(self, stall: Stall) -> None:
        """Starts or wakes the model where it fits, else makes room on the best place where room can be made."""
        asleep = stall.state is ModelState.ASLEEP
        places = (stall.place,) if asleep else stall.places
        possible = [place for place in places if self.room.could_hold(stall, place)]
        if not possible:
            self._give_up(stall, self._never(stall))
            return
        unseen = [blind(self.room, place) for place in possible]
        if all(unseen):
            self._give_up(stall, f"cannot start: the memory of {unseen[0]} could not be read for {BLIND_SECONDS:.0f} s")
            return
        open_places = [place for place in possible if self.claimed.isdisjoint(place)]
        fitting = [place for place in open_places if self.room.fits(stall, place)]
        unquiet = self.unquiet | self.room.moving
        quiet = next((place for place in fitting if unquiet.isdisjoint(place)), None)
        if quiet is not None:
            self._begin(stall, quiet, asleep=asleep)
            return
        made = self._make_room(stall, open_places) if not fitting else None
        stuck = made is None and not fitting and self.stale.isdisjoint(each for place in open_places for each in place)
        if stuck and all(is_hopeless(self.room, stall, place) for place in possible):
            self._despair(stall, possible)
        else:
            self._claim(stall, made or tuple({device for place in possible for device in place}))

    def _claim(self, stall: Stall, devices: Place) -> None:
        self.claimed.update(devices)
        for device in devices:
            self.reserved[device] += self.room.more(stall, device)

    def wake_beside(self) -> None:
        """Whoever sleeps, and fits beside all that those before it wait for, takes nothing from them by waking."""
        sleepers = {each.name: each for each in self.room.seated if each.state is ModelState.ASLEEP}
        for _, _, name in sorted(key for each in sleepers.values() if (key := key_of(each)) is not None):
            stall = sleepers[name]
            unquiet = self.unquiet | self.room.moving
            if stall.retry_at > self.room.now or not unquiet.isdisjoint(stall.place):
                continue  # nor where anybody, which may be itself, is about to leave
            if self.room.could_hold(stall, stall.place) and self.room.fits(stall, stall.place, self.reserved):
                self._begin(stall, stall.place, asleep=True)

    def _make_room(self, stall: Stall, places: list[Place]) -> Place | None:
        """Where room is made; not where something has just moved, or comes now: what it takes, the next look tells."""
        known = (place for place in places if (self.stale | self.arriving).isdisjoint(place))
        return next((place for place in known if self.room.make(stall, place)), None)

    def _begin(self, stall: Stall, place: Place, *, asleep: bool) -> None:
        self.room.actions.append(Wake(stall.name) if asleep else Start(stall.name, place))
        self.room.take(stall, place)
        self.unquiet.update(place)

    def _despair(self, stall: Stall, places: list[Place]) -> None:
        """Nothing that may go would make the room: its callers learn who holds it, and do not wait for ever.

        Nor does anybody wait behind it.
        """
        if all(has_waited(self.room, stall, place) for place in places):
            self._give_up(stall, why_hopeless(self.room, stall, places[0]))

    def _give_up(self, stall: Stall, why: str) -> None:
        """Who sleeps where it cannot wake is ended, where it may then start on another device."""
        elsewhere = [place for place in stall.places if place != stall.place and self.room.could_hold(stall, place)]
        if stall.place and any(not is_hopeless(self.room, stall, place) for place in elsewhere):
            self.room.put_away(stall, None, "is to start on another device")
        else:
            self.room.actions.append(Refuse(stall.name, why))

    def _never(self, stall: Stall) -> str:
        tracks = self.room.tracks
        places = [place for place in stall.places if all(device in tracks for device in place)]
        if not places:
            return f"cannot start: its device is not there: {', '.join(stall.places[0]) if stall.places else 'none'}"
        most = max(min(tracks[device].most for device in place) for place in places)
        return f"needs {show_bytes(stall.need)}, and engines may have at most {show_bytes(most)} of a device"
