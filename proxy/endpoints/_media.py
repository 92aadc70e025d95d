"""The step of endpoints whose messages may hold media: after a request is admitted, before it is sent."""

from collections.abc import Awaitable

from proxy.endpoints._generation import Prepare
from proxy.gateway.asgi import Scope
from proxy.gateway.media_marks import PARTS_ANYWHERE, holds_media
from proxy.media.bodies import Media


def media_step(media: Media, least_lists: int = PARTS_ANYWHERE, *, anthropic: bool = False) -> Prepare:
    """A body with media is rewritten; any other is not even parsed."""

    def prepare(scope: Scope, body: bytes) -> Awaitable[bytes] | None:
        return media.localise(body) if holds_media(body, least_lists, anthropic=anthropic) else None

    return prepare
