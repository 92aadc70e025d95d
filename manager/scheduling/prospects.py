"""Is it any use to wait for memory? Pure."""

from math import inf

from contract.sizes import show_bytes
from manager.fixed import Place
from manager.scheduling.eviction import Room, held_by
from manager.scheduling.stall import Stall

BLIND_SECONDS = 60.0  # a device whose memory could not be read for so long is not waited for


def is_hopeless(room: Room, stall: Stall, place: Place) -> bool:
    """Whether not even the end of all that may ever go would make the room."""
    if not room.may_evict:
        return False
    going = [each for each in room.seated if not each.pinned and each.name != stall.name]
    return any(room.missing(stall, device) > sum(held_by(each, device) for each in going) for device in place)


def has_waited(room: Room, stall: Stall, place: Place) -> bool:
    """Whether the model has waited long enough for memory that only others can give back, or that is late."""
    since = max(stall.wanted_since or 0, *(room.tracks[device].changed_at for device in place))
    return room.now - since >= room.rules.patience


def why_hopeless(room: Room, stall: Stall, place: Place) -> str:
    """Who holds the memory, in words."""
    device = max(place, key=lambda each: room.missing(stall, each))
    track = room.tracks[device]
    pinned = [each.name for each in room.seated if each.pinned and device in each.place]
    holders = f"{', '.join(pinned)} (pinned)" if pinned else ""
    if track.most > track.budget:
        others = f"other programs ({show_bytes(track.most - track.budget)})"
        holders = f"{holders} and {others}" if holders else others
    return f"needs {show_bytes(stall.need)} of {device}, which is held by {holders or 'models that do not end'}"


def blind(room: Room, place: Place) -> str | None:
    """A device of the place that was not looked at for long although something has moved there, or None."""
    tracks = {device: room.tracks[device] for device in place}
    stale = (name for name, track in tracks.items() if not track.fresh)
    return next((name for name in stale if BLIND_SECONDS <= room.now - tracks[name].changed_at < inf), None)
