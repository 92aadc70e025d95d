"""Pictures of all kinds and of none (C4, C8 to C11, C15's frames): made anew, or refused; and the program lives on."""

import base64
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from proxy.media import worker
from proxy.media.decoder import REASONS, Decoder
from proxy.media.limits import MediaLimits
from proxy.media.refusal import MediaRefused
from tests.proxy.media.pictures import encoded, opened
from tests.proxy.media.programs import programs

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("form", "mode", "made"),
    [
        ("PNG", "RGB", ("PNG", "RGB")),
        ("PNG", "RGBA", ("PNG", "RGBA")),
        ("PNG", "LA", ("PNG", "RGBA")),
        ("PNG", "1", ("PNG", "L")),
        ("PNG", "P", ("PNG", "RGB")),
        ("PNG", "I;16", ("PNG", "L")),
        ("JPEG", "RGB", ("JPEG", "RGB")),
        ("JPEG", "CMYK", ("JPEG", "RGB")),
        ("JPEG", "L", ("JPEG", "L")),
        ("WEBP", "RGB", ("PNG", "RGB")),
        ("WEBP", "RGBA", ("PNG", "RGBA")),
    ],
)
@pytest.mark.parametrize("is_base64", [True, False])
async def test_a_picture_is_made_anew(
    decoder: Decoder, form: str, mode: str, made: tuple[str, str], is_base64: bool
) -> None:
    data = encoded(form, mode=mode)
    url = await decoder.picture(base64.b64encode(data) if is_base64 else data, is_base64=is_base64)
    picture = opened(url)
    assert (picture.format, picture.mode, picture.size) == (*made, (8, 6))
    assert url.startswith(f"data:image/{made[0].lower()};base64,")


async def test_a_photo_that_lies_on_its_side_is_upright_and_says_nothing_of_where_it_was_taken(
    decoder: Decoder,
) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "at home"
    picture = opened(await decoder.picture(encoded("JPEG", exif=exif.tobytes()), is_base64=False))
    assert picture.size == (6, 8)
    assert not picture.getexif()
    assert "exif" not in picture.info


async def test_of_an_animation_the_first_frame_is_taken(decoder: Decoder) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "green", "blue")] * 300
    for form in ("PNG", "WEBP"):
        out = BytesIO()
        frames[0].save(out, form, save_all=True, append_images=frames[1:], lossless=True)
        picture = opened(await decoder.picture(out.getvalue(), is_base64=False))
        assert getattr(picture, "n_frames", 1) == 1
        assert picture.getpixel((0, 0)) == (255, 0, 0)


def others() -> dict[str, bytes]:
    """Files of the formats that are not taken, whatever they call themselves."""
    found = {
        form: encoded(form) for form in ("GIF", "TIFF", "BMP", "ICO", "PPM", "TGA", "EPS", "PDF", "ICNS", "DDS", "SGI")
    }
    found |= {"BLP": encoded("BLP", mode="P"), "J2K": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(60), "empty": b""}
    found |= {"PSD": b"8BPS\x00\x01" + bytes(60), "FITS": b"SIMPLE  =                    T" + bytes(60)}
    found |= {
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/"/></svg>',
        "HTML": b"<html>",
    }
    return found | {"PS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n(x) run\n"}


@pytest.mark.parametrize(("name", "data"), others().items(), ids=str)
async def test_any_other_format_is_refused(decoder: Decoder, name: str, data: bytes) -> None:
    with pytest.raises(MediaRefused) as raised:
        await decoder.picture(data, is_base64=False)
    assert raised.value.code in {"not_a_picture", "damaged_picture"}


def claiming(width: int, height: int) -> bytes:
    """A PNG whose head says how large it is, and that has next to nothing behind it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("width", "height"), [(1001, 1000), (13_000, 13_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)]
)
async def test_a_bomb_of_pixels_is_refused_before_it_is_decoded(decoder: Decoder, width: int, height: int) -> None:
    await decoder.picture(encoded(), is_base64=False)
    (program,) = programs()
    before = program.memory_info().rss
    with pytest.raises(MediaRefused) as raised:
        await decoder.picture(claiming(width, height), is_base64=False)
    assert raised.value.code == "too_many_pixels"
    assert programs() == [program]
    assert program.memory_info().rss - before < 64 * 2**20


async def test_a_bomb_of_text_beside_a_picture_is_refused(decoder: Decoder) -> None:
    text = b"Comment\x00\x00" + zlib.compress(bytes(10 * 2**20))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    whole = encoded()
    with pytest.raises(MediaRefused):
        await decoder.picture(whole[:33] + chunk + whole[33:], is_base64=False)


@pytest.mark.parametrize(
    "payload", [b"", b"!!!!", b"aGk", b"aGk=\n", b"aGk=aGk=", b"a" * 5, b"data:image/png;base64,aGk="]
)
async def test_what_is_not_base64_or_empty_is_refused(decoder: Decoder, payload: bytes) -> None:
    with pytest.raises(MediaRefused) as raised:
        await decoder.picture(payload, is_base64=True)
    assert raised.value.code in {"not_base64", "not_a_picture"}


async def test_a_file_over_the_bound_is_refused_before_a_program_sees_it(decoder: Decoder) -> None:
    with pytest.raises(MediaRefused) as raised:
        await decoder.picture(b"A" * (6 * 2**20), is_base64=True)
    assert raised.value.code == "media_too_large"
    assert repr(decoder) == "<Decoder 0 pictures, 0 idle programs>"


async def test_a_sound_must_look_like_one_and_goes_on_as_it_is(decoder: Decoder) -> None:
    wave = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
    assert await decoder.sound(wave, is_base64=False) == "data:audio/wav;base64," + base64.b64encode(wave).decode()
    assert (await decoder.sound(b"ID3" + bytes(9), is_base64=False)).startswith("data:audio/mpeg;")
    for other in (b"", b"#EXTM3U\nfile:///etc/passwd", b"\x00\x00\x00\x18ftypmp42", b"OggS", encoded()):
        with pytest.raises(MediaRefused, match="WAV or MP3"):
            await decoder.sound(other, is_base64=False)


async def test_a_program_that_dies_of_a_picture_is_replaced_for_the_next(decoder: Decoder) -> None:
    await decoder.picture(encoded(), is_base64=False)
    (program,) = programs()
    program.kill()
    assert opened(await decoder.picture(encoded(), is_base64=False)).size == (8, 6)


async def test_memory_is_bounded_and_running_out_of_it_is_a_refusal() -> None:
    decoder = Decoder(MediaLimits(memory=256 * 2**20, pixels=200_000_000))
    try:
        with pytest.raises(MediaRefused) as raised:
            await decoder.picture(encoded(size=(12_000, 12_000), mode="1"), is_base64=False)
        assert raised.value.code == "damaged_picture"
    finally:
        await decoder.close()


async def test_a_decoder_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text("import sys, time\nsys.stdin.buffer.read(1)\ntime.sleep(60)\n")
    monkeypatch.setattr("proxy.media.decoder.PROGRAM", sleeper)
    decoder = Decoder(MediaLimits(decode=0.3))
    with pytest.raises(MediaRefused):
        await decoder.picture(encoded(), is_base64=False)
    assert programs() == []


# Mutated files (C10). In the test's own process, since the oracle is the program's: it refuses, or answers a picture.

SEEDS = [encoded("PNG", (16, 16)), encoded("JPEG", (16, 16)), encoded("WEBP", (16, 16)), encoded("PNG", (16, 16), "P")]


def outcome(data: bytes) -> tuple[str, bytes]:
    """The code of a refusal, or a data URL."""
    try:
        return "", worker.picture(data)
    except worker.Refused as error:
        return str(error), b""


@given(
    seed=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
    end=st.floats(0.05, 1),
    insert=st.tuples(st.floats(0, 1), st.binary(max_size=16)),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_picture_is_refused_by_a_code_that_is_known_or_is_still_a_picture(
    seed: bytes, flips: list[tuple[float, int]], end: float, insert: tuple[float, bytes]
) -> None:
    data = bytearray(seed)
    for where, bits in flips:
        data[int(where * len(data))] ^= bits
    data = data[: int(end * len(data))]
    place = int(insert[0] * len(data))
    data[place:place] = insert[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, made = outcome(bytes(data))
    assert code in REASONS or opened(made.decode()).size[0] >= 1
