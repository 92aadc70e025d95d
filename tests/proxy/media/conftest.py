from collections.abc import AsyncIterator

import pytest

from proxy.media.bodies import Media
from proxy.media.decoder import Decoder
from proxy.media.fetch import Dialler, Fetcher, resolve
from proxy.media.limits import MediaLimits


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    made = Decoder(MediaLimits(pixels=1_000_000, size=4 * 2**20))
    yield made
    await made.close()


@pytest.fixture
def media(decoder: Decoder) -> Media:
    """With no host that it may fetch from."""
    limits = MediaLimits(count=4)
    return Media(Fetcher(limits, resolve, Dialler()), decoder, limits)
