"""Hazard C10 of the list: ten thousand damaged pictures, through the pipe and in the decoder's own program."""

from random import Random

import pytest

from proxy.media.decoder import REASONS, Decoder
from proxy.media.limits import MediaLimits
from proxy.media.refusal import MediaRefused
from tests.proxy.media.pictures import encoded
from tests.proxy.media.programs import programs

pytestmark = pytest.mark.anyio
CASES = 10_000
SEEDS = [encoded(form, (24, 16)) for form in ("PNG", "JPEG", "WEBP")] + [encoded("PNG", (24, 16), "P")]


def damaged(dice: Random) -> bytes:
    """A picture with some bytes changed, a piece put in, or its end cut off."""
    data = bytearray(dice.choice(SEEDS))
    for _ in range(dice.randint(1, 6)):
        data[dice.randrange(len(data))] ^= dice.randint(1, 255)
    if dice.random() < 0.3:
        place = dice.randrange(len(data))
        data[place:place] = dice.randbytes(dice.randint(1, 16))
    return bytes(data[: dice.randint(20, len(data))] if dice.random() < 0.3 else data)


async def outcome(decoder: Decoder, data: bytes) -> str:
    """The code of a refusal, or the beginning of a data URL."""
    try:
        return (await decoder.picture(data, is_base64=False))[:11]
    except MediaRefused as error:
        return error.code


async def test_damaged_pictures_are_refused_or_shown_and_end_no_program() -> None:
    decoder, dice = Decoder(MediaLimits(workers=1)), Random(1)
    try:
        await decoder.picture(SEEDS[0], is_base64=False)
        (program,) = programs()
        outcomes = [await outcome(decoder, damaged(dice)) for _ in range(CASES)]
        assert programs() == [program], "not one has ended it"
        assert set(outcomes) <= {"data:image/", *REASONS}
        assert outcomes.count("data:image/") < CASES * 3 // 4
    finally:
        await decoder.close()
