"""The program that looks at one clip: the file comes in by a pipe, its first picture goes out, small, as WEBP.

It lives for one clip, knows nothing of the rest, holds no secret, and may use so much memory and so many seconds. Two
formats are read, from memory alone: none that names other files, and what an MP4 says of others is not followed. Its
exit status is REFUSED where the clip is at fault.

    python -I film_worker.py MEMORY PIXELS SECONDS
"""

import io
import os
import resource
import sys

import av
from av.error import FFmpegError
from PIL import Image

REFUSED = 3
FORMATS = {b"\x1aE\xdf\xa3": "matroska"}  # by a file's first bytes; any other is held to be an MP4
CODECS = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "libdav1d"})
SMALL_SIDE = 384  # pixels
NICENESS = 5  # where it shares a core with the proxy, streams go first


class Refused(Exception):
    """The clip is at fault."""


# What the libraries raise of broken files. What is not here ends the program as well, only louder.
FAULTS: tuple[type[Exception], ...] = (Refused, FFmpegError, OSError, ValueError, LookupError, EOFError, MemoryError)


def main() -> int:
    """One clip."""
    memory, pixels, seconds = map(int, sys.argv[1:])
    prepare(memory, seconds)
    try:
        sys.stdout.buffer.write(small(first_picture(sys.stdin.buffer.read(), pixels)))
    except FAULTS:
        return REFUSED
    return 0


def prepare(memory: int, seconds: int) -> None:
    """Bounds of this process."""
    if sys.platform == "linux":  # where the system bounds it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)


def first_picture(data: bytes, pixels: int) -> Image.Image:
    """A clip -> its first frame. Raises FAULTS."""
    with av.open(io.BytesIO(data), "r", format=FORMATS.get(data[:4], "mp4")) as clip:
        if not clip.streams.video:
            raise Refused
        stream = clip.streams.video[0]
        # Before a frame is decoded, as far as the file says how large it is.
        if stream.codec_context.name not in CODECS or not 0 < stream.width * stream.height <= pixels:
            raise Refused
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        frame = next(clip.decode(stream), None)
        if frame is None or frame.width * frame.height > pixels:
            raise Refused
        picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV has no types there
        return picture


def small(picture: Image.Image) -> bytes:
    """No side is longer than SMALL_SIDE."""
    out = io.BytesIO()
    picture.thumbnail((SMALL_SIDE, SMALL_SIDE))
    picture.save(out, "WEBP", quality=80)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
