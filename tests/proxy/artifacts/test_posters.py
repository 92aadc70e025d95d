"""The picture by which a clip is known, where its maker sent none: uploads, and clips of engines by others."""

import io
import time
from pathlib import Path

import av
import pytest
from PIL import Image

from contract.errors import ApiError
from proxy.artifacts.facts import Facts
from proxy.media.decoder import Decoder
from proxy.media.limits import MediaLimits
from proxy.media.refusal import MediaRefused
from tests.proxy.artifacts.shop import ME, shop
from tests.proxy.artifacts.test_store import read

pytestmark = pytest.mark.anyio
RED, BLUE = (220, 20, 20), (20, 20, 220)


def clip(kind: str = "mp4", codec: str = "libx264", size: tuple[int, int] = (640, 480)) -> bytes:
    """A second of film: its first frame is red, the others are blue."""
    out = io.BytesIO()
    with av.open(out, "w", format=kind) as film:
        stream = film.add_stream(codec, rate=8)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for colour in (RED, *[BLUE] * 7):
            film.mux(stream.encode(frame_of(size, colour)))
        film.mux(stream.encode())
    return out.getvalue()


def frame_of(size: tuple[int, int], colour: tuple[int, int, int]) -> av.VideoFrame:
    frame: av.VideoFrame = av.VideoFrame.from_image(Image.new("RGB", size, colour))  # type: ignore[no-untyped-call]  # PyAV's
    return frame


def sound() -> bytes:
    """An MP4 in which nothing is to be seen."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("aac", rate=16_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 16_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))  # silence
        film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return out.getvalue()


def is_near(seen: tuple[int, ...], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(seen, wanted, strict=True))


@pytest.mark.parametrize(
    ("kind", "codec"), [("mp4", "libx264"), ("mp4", "mpeg4"), ("webm", "libvpx"), ("mov", "libx264")]
)
async def test_a_clip_that_was_uploaded_is_shown_by_how_it_begins(tmp_path: Path, kind: str, codec: str) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, clip(kind, codec), Facts())
        with Image.open(io.BytesIO(await store.thumbnail(ME, made.id))) as poster:
            assert (poster.format, poster.size) == ("WEBP", (384, 288))
            assert is_near(poster.convert("RGB").getpixel((190, 140)), RED)  # type: ignore[arg-type]  # three bands


async def test_it_is_drawn_when_it_is_kept_and_not_when_it_is_asked_for(tmp_path: Path) -> None:
    async with shop(tmp_path) as store:
        made = await store.add(ME, clip(), Facts())
    (poster,) = (tmp_path / "videos").glob(f"{made.id}.thumb")
    with Image.open(poster) as drawn:
        assert drawn.size == (384, 288)


async def test_a_clip_that_cannot_be_looked_at_is_kept_and_says_why(tmp_path: Path) -> None:
    whole = clip()
    async with shop(tmp_path) as store:
        for content in (whole[:600], whole[:40] + bytes(4000), sound(), clip("webm", "libvpx")[:200]):
            made = await store.add(ME, content, Facts())
            with pytest.raises(ApiError, match="the clip is damaged") as raised:
                await store.thumbnail(ME, made.id)
            assert (raised.value.status, raised.value.code) == (404, "no_thumbnail")
            assert await read(store, made.id) == content


@pytest.mark.parametrize(
    "limits", [MediaLimits(pixels=640 * 480 - 1), MediaLimits(memory=2**25)], ids=["pixels", "memory"]
)
async def test_a_clip_may_have_as_many_pixels_and_take_as_much_memory_as_it_may(limits: MediaLimits) -> None:
    with pytest.raises(MediaRefused):
        await Decoder(limits).poster(clip())
    assert await Decoder(MediaLimits(pixels=640 * 480)).poster(clip())


async def test_a_clip_that_takes_too_long_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(MediaRefused):
        await Decoder(MediaLimits(decode=0.01)).poster(clip())
    assert time.monotonic() - began < 10
