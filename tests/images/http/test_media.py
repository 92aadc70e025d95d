"""Files that are no pictures, or would hurt whoever decodes them: 400 with the part's name, and the engine lives."""

import io
import random
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.images.pictures import chunk, encoded, gradient, png, png_that_claims
from tests.images.server import Engine, Engines
from tests.images.warm.engine_python import ROOT

EDITED = "/v1/images/edits"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def sd15(engine: Engines) -> Engine:
    return engine("sd15")


def animated(kind: str) -> bytes:
    frames = [gradient(), gradient().rotate(90), gradient().rotate(180)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def text_bomb() -> bytes:
    """A PNG whose compressed text is far larger than the file."""
    return encoded(gradient())[:33] + chunk(b"zTXt", b"a\0\0" + _deflated()) + encoded(gradient())[33:]


def _deflated() -> bytes:
    return zlib.compress(b"\0" * 80_000_000, 9)


BAD: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"hello",
    "a PNG cut short": lambda: png()[: len(png()) // 2],
    "a PNG's first bytes": lambda: PNG_MAGIC,
    "a JPEG cut short": lambda: encoded(gradient(), "JPEG")[:200],
    "a WebP cut short": lambda: encoded(gradient(), "WEBP")[:40],
    "a wave file": lambda: b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\0" * 40,
    "an animated GIF": lambda: animated("GIF"),
    "an animated WebP": lambda: animated("WEBP"),
    "an animated PNG": lambda: animated("PNG"),
    "a GIF": lambda: encoded(gradient(), "GIF"),
    "a TIFF": lambda: encoded(gradient(), "TIFF"),
    "a BMP": lambda: encoded(gradient(), "BMP"),
    "an icon": lambda: encoded(gradient(), "ICO"),
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n",
    "Photoshop": lambda: b"8BPS\0\x01" + b"\0" * 60,
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>',
    "PDF": lambda: b"%PDF-1.7\n",
    "JPEG 2000": lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40,
    "400 million pixels": lambda: png_that_claims(20_000, 20_000),
    "169 million pixels": lambda: png_that_claims(13_000, 13_000),
    "a long thin claim": lambda: png_that_claims(2**31 - 1, 1),
    "no pixels": lambda: png_that_claims(0, 0),
    "text that grows": text_bomb,
}


def refused(engine: Engine, data: bytes, part: str = "image") -> tuple[int, str | None]:
    """Status and param. A scheduler that is not there ends a request whose picture was taken, before any step."""
    fields = {"prompt": "x", "scheduler": "none such"}
    with engine.http() as client:
        answer = client.post(EDITED, data=fields, files={part: ("picture.png", data, "image/png")})
    message = answer.json()["error"]["message"]
    assert "0x" not in message
    assert str(ROOT) not in message
    assert "Traceback" not in message
    return answer.status_code, answer.json()["error"]["param"]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_whole_single_picture_is_refused(sd15: Engine, name: str) -> None:
    assert refused(sd15, BAD[name]()) == (400, "image")


def test_a_good_picture_passes_the_same_way(sd15: Engine) -> None:
    assert refused(sd15, png()) == (400, "scheduler")
    assert refused(sd15, png(), "image[]") == (400, "scheduler")


def test_pictures_that_are_too_many_together_are_refused_by_their_number_first(sd15: Engine) -> None:
    with sd15.http() as client:
        parts = [("image[]", ("a.png", BAD["400 million pixels"]()))] * 16
        answer = client.post(EDITED, data={"prompt": "x"}, files=parts)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")


SEEDS = [png(), encoded(gradient(), "JPEG"), encoded(gradient(), "WEBP"), encoded(gradient().convert("P"))]


@settings(max_examples=60)
@given(st.integers(0, 3), st.integers(0, 2**32), st.integers(1, 12))
def test_flipped_bytes_never_bring_the_engine_down(sd15: Engine, which: int, seed: int, count: int) -> None:
    """Five files an example: whatever they have become, the answer is a 400, or the picture was still one."""
    dice = random.Random(seed)
    for _ in range(5):
        data = bytearray(SEEDS[which])
        for _ in range(count):
            data[dice.randrange(len(data))] = dice.randrange(256)
        assert refused(sd15, bytes(data)) in {(400, "image"), (400, "scheduler")}


def test_the_engine_still_makes_pictures(sd15: Engine) -> None:
    with sd15.http() as client:
        answer = client.post(EDITED, data={"prompt": "x", "num_inference_steps": "2"}, files={"image": png()})
    assert answer.status_code == 200
