"""Forms that are none, too large, or hold what no form may: each is refused, and no engine hears of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError
from proxy.gateway.form import FormScan
from proxy.gateway.peeked import Peeked
from tests.fakes.pictures import png
from tests.proxy.image_world import BOUNDARY, EDIT, EDITS, FORM, PICTURE, form, image_world, part
from tests.proxy.test_http_bounds import assert_refused

pytestmark = pytest.mark.anyio

GOOD = form(*EDIT)
DISPOSITION = b"--edge\r\ncontent-disposition: "
BROKEN = {
    "empty": b"",
    "json": b'{"model":"painter"}',
    "cut in a file": GOOD[:-80],
    "cut before the last boundary": GOOD[: -len(b"--edge--\r\n")],
    "another boundary": GOOD.replace(b"--edge", b"--other"),
    "bare line feeds": GOOD.replace(b"\r\n", b"\n"),
    "1001 parts": form(*(part(f"x{number}", b"") for number in range(1001))),
    "65 parts": form(*(part(f"x{number}", b"") for number in range(65))),
    "a field of 2 MB": form(*EDIT, part("prompt", b"x" * 2_000_000)),
    "a head of 1 MB": form(*EDIT, part("x", b"", b"x-large: " + b"x" * 1_000_000)),
    "a head without end": b"--edge\r\nx: " + b"x" * 100_000,
    "nine headers": form(*EDIT, part("x", b"", *(b"x-%d: 1" % number for number in range(9)))),
    "a header without colon": form(DISPOSITION + b'form-data; name="x"\r\nno colon\r\n\r\n\r\n'),
    "no disposition": form(b"--edge\r\nx: y\r\n\r\nz\r\n"),
    "another disposition": form(DISPOSITION + b'attachment; name="x"\r\n\r\nz\r\n'),
    "no name": form(DISPOSITION + b"form-data\r\n\r\nz\r\n"),
    "an empty name": form(part("", b"z")),
    "nested": form(*EDIT, part("x", b"", b"content-type: multipart/mixed; boundary=in", filename="y")),
    "model twice": form(*EDIT, part("model", b"painter")),
    "stream twice": form(*EDIT, part("stream", b"true"), part("stream", b"false")),
    "model as a file": form(part("model", b"painter", filename="m"), PICTURE),
    "model too long": form(part("model", b"m" * 2000), PICTURE),
    "model not UTF-8": form(part("model", b"\xff"), PICTURE),
    "stream neither true nor false": form(*EDIT, part("stream", b"yes")),
    "a path": form(*EDIT, part("mask", png(), filename="../../x")),
    "a path of Windows": form(*EDIT, part("mask", png(), filename="..\\x")),
    "an encoded file name": form(DISPOSITION + b"form-data; name=x; filename*=utf-8''%00\r\n\r\nz\r\n"),
    "a header not UTF-8": form(DISPOSITION + b'form-data; name="\xff"\r\n\r\nz\r\n'),
    "a denied field": form(*EDIT, part("api_base", b"http://elsewhere")),
    "a denied field's part": form(*EDIT, part("extra_body[x]", b"y")),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_a_form_that_is_none_is_a_400(tmp_path: Path, body: bytes) -> None:
    async with image_world(tmp_path) as w:
        assert_refused(await w.world.post(EDITS, body, FORM), 400)
        assert w.engine.asked == []


@pytest.mark.parametrize(
    "rest",
    ["", "; boundary=", f"; boundary={'x' * 71}", f"; boundary={'x' * 50_000}", "; boundary=edge; boundary=other"],
)
async def test_a_form_without_one_sound_boundary_is_a_400(tmp_path: Path, rest: str) -> None:
    async with image_world(tmp_path) as w:
        assert_refused(await w.world.post(EDITS, GOOD, f"content-type: multipart/form-data{rest}"), 400)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/x"])
async def test_a_body_of_another_media_type_is_a_415(tmp_path: Path, kind: str) -> None:
    async with image_world(tmp_path) as w:
        assert_refused(await w.world.post(EDITS, GOOD, f"content-type: {kind}"), 415, "unsupported_media_type")
        assert_refused(await w.world.post("/v1/images/generations", GOOD, FORM), 415, "unsupported_media_type")


async def test_a_form_over_its_bound_is_refused_and_texts_keep_theirs(tmp_path: Path) -> None:
    async with image_world(tmp_path, upload_size=1000, body_size=100) as w:
        assert (await w.world.post(EDITS, form(*EDIT), FORM)).status == 200
        assert_refused(await w.world.post(EDITS, form(*EDIT, part("x", b"y" * 1000)), FORM), 413, "payload_too_large")
        answer = await w.world.post("/v1/chat/completions", b'{"model":"small","x":"%b"}' % (b"y" * 100))
        assert_refused(answer, 413, "payload_too_large")


async def test_a_sound_form_arrives_byte_for_byte_however_it_is_written(tmp_path: Path) -> None:
    parts = (part("model", b"painter", b"Content-Type: text/plain; charset=utf-8"), part("stream", b"False"))
    body = b"\r\n" + form(*parts, part("prompt", "größer".encode()), PICTURE) + b"the end is nobody's"
    async with image_world(tmp_path) as w:
        assert (await w.world.post(EDITS, body, FORM)).status == 200
        assert w.engine.seen.requests[0].body == body
        assert w.engine.seen.requests[0].headers["content-type"] == 'multipart/form-data; boundary="edge"'
        assert set(w.engine.seen.requests[0].headers) == {"host", "content-type", "content-length", "x-request-id"}


@given(st.lists(st.integers(1, 60), max_size=80))
def test_a_form_is_read_the_same_however_it_is_cut(sizes: list[int]) -> None:
    left = form(part("model", b"painter"), part("stream", b"true"), PICTURE)
    scan = FormScan(BOUNDARY)
    for size in [*sizes, len(left)]:
        scan.feed(left[:size])
        left = left[size:]
    assert scan.end() == Peeked(model="painter", stream=True)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_comes_is_read_or_refused(noise: bytes, at: int) -> None:
    assert read_status(GOOD[:at] + noise + GOOD[at:]) in {200, 400}


def read_status(body: bytes) -> int:
    scan = FormScan(BOUNDARY)
    try:
        scan.feed(body)
        scan.end()
    except ApiError as error:
        return error.status
    return 200
