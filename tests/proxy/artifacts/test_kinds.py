"""What a file is by its first bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contract.artifacts import ArtifactKind
from proxy.artifacts.kinds import HEAD, TYPES, look, suffix_of
from tests.fakes.pictures import png


def encoded(kind: str, width: int, height: int, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 10, 10)).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (encoded("PNG", 31, 17), "image/png"),
        (encoded("JPEG", 31, 17), "image/jpeg"),
        (encoded("JPEG", 31, 17, progressive=True, exif=b"Exif\0\0" + b"x" * 30_000), "image/jpeg"),
        (encoded("GIF", 31, 17), "image/gif"),
        (encoded("WEBP", 31, 17), "image/webp"),
        (encoded("WEBP", 31, 17, lossless=True), "image/webp"),
        (encoded("WEBP", 31, 17, exif=b"Exif\0\0x"), "image/webp"),
    ],
)
def test_a_picture_tells_its_size(content: bytes, mime: str) -> None:
    looks = look(content[:HEAD], None, None)
    assert (looks.kind, looks.mime, looks.width, looks.height) == (ArtifactKind.IMAGE, mime, 31, 17)


@pytest.mark.parametrize(
    ("head", "filename", "said", "mime", "kind"),
    [
        (b"\0\0\0\x20ftypisom", "a.txt", None, "video/mp4", ArtifactKind.VIDEO),
        (b"\x1aE\xdf\xa3", None, None, "video/webm", ArtifactKind.VIDEO),
        (b"RIFF\0\0\0\0WAVE", None, "image/png", "audio/wav", ArtifactKind.AUDIO),
        (b"a,b", "a.csv", None, "text/csv", ArtifactKind.TABLE),
        (b"{}", "a.csv", "application/vnd.plotly.v1+json", "application/vnd.plotly.v1+json", ArtifactKind.PLOT),
        (b"words", "a.md", "application/octet-stream", "text/markdown", ArtifactKind.FILE),
        (b"words", "a.png", "image/png", "application/octet-stream", ArtifactKind.FILE),
        (b"<html>", "a.html", "text/html; charset=utf-8", "text/html", ArtifactKind.FILE),
        (b"words", "a", "no type\r\nat all", "application/octet-stream", ArtifactKind.FILE),
        (b"", None, None, "application/octet-stream", ArtifactKind.FILE),
    ],
)
def test_what_is_said_counts_where_the_bytes_say_nothing(
    head: bytes, filename: str | None, said: str | None, mime: str, kind: ArtifactKind
) -> None:
    looks = look(head, filename, said)
    assert (looks.mime, looks.kind) == (mime, kind)


STARTS = [png()[:8], b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8X", b"\0\0\0\0ftyp", b""]


@given(st.sampled_from(STARTS), st.binary(max_size=64), st.text(max_size=20), st.text(max_size=40))
def test_no_bytes_and_no_words_are_too_strange(start: bytes, rest: bytes, filename: str, said: str) -> None:
    looks = look(start + rest, filename, said)
    assert looks.kind in ArtifactKind
    assert suffix_of(looks.mime).startswith(".")
    assert looks.width is None or looks.width >= 0


def test_no_suffix_is_taken_for_one_of_the_stores_own_files() -> None:
    assert not {suffix for _, suffix in TYPES.values()} & {".meta.json", ".blocks", ".thumb"}
