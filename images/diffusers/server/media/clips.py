"""Frames -> an MP4 that plays everywhere: H.264, yuv420p, its index at the front. Same frames, same bytes."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

from images.diffusers.server.errors import failed
from images.diffusers.server.media.encoding import as_json

# One thread: with several, the encoder's choices hang on their number. No macroblock tree: in small pictures it reads
# memory that nobody wrote, and the same frames become other bytes.
ENCODER = {"crf": "17", "preset": "medium", "threads": "1", "mbtree": "0", "flags": "+bitexact"}
CONTAINER = {"movflags": "+faststart", "fflags": "+bitexact"}


def encode(frames: Sequence[Image.Image], fps: int, how: Mapping[str, object]) -> bytes:
    """The file, with `how` as its comment; no dates. Raises ApiError 500 where it cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"  # the index is moved to the front in a second pass over a real file
        try:
            _write(path, frames, fps, as_json(how))
            return path.read_bytes()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise failed("encoding the clip", error) from error


def _write(path: Path, frames: Sequence[Image.Image], fps: int, comment: str) -> None:
    with av.open(str(path), "w", format="mp4", options=CONTAINER) as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=fps, options=ENCODER)
        # The format has colours for every second pixel only: an odd side loses its last line.
        stream.width, stream.height = (side - side % 2 for side in frames[0].size)
        stream.pix_fmt = "yuv420p"
        for image in frames:
            picture = image.convert("RGB").crop((0, 0, stream.width, stream.height))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
