"""The step of endpoints whose messages may hold media: after a request is admitted, before it is sent."""

from functools import partial

from proxy.endpoints._generation import Step
from proxy.gateway.media_marks import PARTS_ANYWHERE, holds_media
from proxy.media.bodies import Media


def media_step(media: Media, least_lists: int = PARTS_ANYWHERE, *, anthropic: bool = False) -> Step:
    """A body with media is rewritten; any other is not even parsed."""
    return Step(partial(holds_media, least_lists=least_lists, anthropic=anthropic), media.localise)
