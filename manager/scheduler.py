"""What to start, wake, drain and put away next: stalls in, actions out; no asyncio, no effects, no clock of its own.

The first waiting model that does not fit makes room for itself (`eviction.py`). Whoever waits behind it on the same
devices does not overtake it, so a steady stream for one model cannot starve another; and a model that was waited for
keeps its place for a fair share of time, so two that do not fit together take turns. A want whose caller has left
comes after all others, and no busy model is drained for it. On one device one model moves at a time, and only after its
memory was looked at: what a start takes is measured as the device's difference around it.
"""

from bisect import bisect_left, insort

from contract.sizes import show_bytes
from contract.states import ModelState
from manager.eviction import Room
from manager.fixed import Place
from manager.stall import MOVING, STARTABLE, Action, Fetch, Refuse, Rules, Stall, Start, Tracks, Wake

Key = tuple[bool, float, str]


class Scheduler:
    """Keeps what it was told of each model, in the order in which they are waited for.

    A decision looks at the models that are on a device and at the first of those that wait; its cost does not grow with
    those that wait behind.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._stalls: dict[str, Stall] = {}
        self._seated: dict[str, Stall] = {}
        self._absent: dict[str, Stall] = {}
        self._waiting: list[Key] = []

    def __repr__(self) -> str:
        return f"<Scheduler of {len(self._stalls)} models, {len(self._seated)} seated, {len(self._waiting)} waiting>"

    def put(self, stall: Stall) -> None:
        """What is known of a model now."""
        self.remove(stall.name)
        self._stalls[stall.name] = stall
        if stall.place:
            self._seated[stall.name] = stall
        key = _key(stall)
        if key is None:
            return
        if stall.here:
            insort(self._waiting, key)
        else:
            self._absent[stall.name] = stall

    def remove(self, name: str) -> None:
        """The model is not managed any more."""
        known = self._stalls.pop(name, None)
        self._seated.pop(name, None)
        self._absent.pop(name, None)
        key = _key(known) if known is not None and known.here else None
        if key is not None:
            del self._waiting[bisect_left(self._waiting, key)]

    def position(self, name: str) -> int:
        """Of those that wait, 1 is next; 0 where it does not wait."""
        stall = self._stalls.get(name)
        key = _key(stall) if stall is not None else None
        if stall is None or key is None:
            return 0
        return bisect_left(self._waiting, key) + 1

    def decide(self, now: float, tracks: Tracks, *, may_evict: bool = True) -> tuple[Action, ...]:
        """All that should happen now. Not `may_evict`: nothing that is ready is put away."""
        room = Room(now, self._seated.values(), tracks, self.rules, may_evict=may_evict)
        plan = _Plan(room)
        self._fetch(plan, now)
        for _, _, name in self._waiting:
            if plan.claimed >= tracks.keys():
                break
            if self._stalls[name].retry_at <= now:
                plan.seat(self._stalls[name])
        room.rest_idle()
        return tuple(room.actions)

    def _fetch(self, plan: "_Plan", now: float) -> None:
        if not self._absent:
            return
        busy = sum(stall.state is ModelState.FETCHING for stall in self._stalls.values())
        wanted = sorted(key for stall in self._absent.values() if stall.retry_at <= now and (key := _key(stall)))
        for _, _, name in wanted[: max(0, self.rules.fetches - busy)]:
            plan.room.actions.append(Fetch(name))


def _key(stall: Stall) -> Key | None:
    """The place in the queue of a model that waits, or None."""
    if stall.wanted_since is None or stall.state not in STARTABLE:
        return None
    return (not stall.awaited, stall.wanted_since, stall.name)


class _Plan:
    """One decision: who is seated where, and which devices somebody waits for."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.claimed: set[str] = set()  # nobody overtakes there
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
        open_places = [place for place in possible if self.claimed.isdisjoint(place)]
        fitting = [place for place in open_places if self.room.fits(stall, place)]
        quiet = next((place for place in fitting if self.unquiet.isdisjoint(place)), None)
        if quiet is not None:
            self._begin(stall, quiet, asleep=asleep)
            return
        if not fitting:
            self._make_room(stall, open_places)
        self.claimed.update(device for place in possible for device in place)

    def _make_room(self, stall: Stall, places: list[Place]) -> None:
        """Not where something has just moved: what it left is known after the next look."""
        known = [place for place in places if self.stale.isdisjoint(place)]
        if not any(self.room.make(stall, place) for place in known) and len(known) == len(places):
            self._despair(stall, places)

    def _begin(self, stall: Stall, place: Place, *, asleep: bool) -> None:
        self.room.actions.append(Wake(stall.name) if asleep else Start(stall.name, place))
        self.room.take(stall, place)
        self.unquiet.update(place)

    def _despair(self, stall: Stall, places: list[Place]) -> None:
        """Nothing that may go would make the room: its callers learn who holds it, and do not wait for ever."""
        if places and all(self.room.is_hopeless(stall, place) for place in places):
            self._give_up(stall, self.room.why_hopeless(stall, places[0]))

    def _give_up(self, stall: Stall, why: str) -> None:
        """Who sleeps where it cannot wake is ended, where it may then start on another device."""
        elsewhere = [place for place in stall.places if place != stall.place and self.room.could_hold(stall, place)]
        if stall.place and any(not self.room.is_hopeless(stall, place) for place in elsewhere):
            self.room.end(stall, "is to start on another device")
        else:
            self.room.actions.append(Refuse(stall.name, why))

    def _never(self, stall: Stall) -> str:
        tracks = self.room.tracks
        places = [place for place in stall.places if all(device in tracks for device in place)]
        if not places:
            return f"its device is not there: {', '.join(stall.places[0]) if stall.places else 'none'}"
        most = max(min(tracks[device].most for device in place) for place in places)
        return f"needs {show_bytes(stall.need)}, and engines may have at most {show_bytes(most)} of a device"
