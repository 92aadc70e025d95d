"""How much memory safetensors take when they are loaded, by their headers alone."""

import json
import struct
from pathlib import Path

HEADER_LIMIT = 64 * 2**20  # the longest header of a real model is a few megabytes
HALF_TYPES = frozenset({"float16", "bfloat16"})


def loaded_bytes(file: Path, dtype: object) -> int:
    """Bytes of a file's tensors in memory: those in float32 take half where `dtype` is of 16 bits.

    A file whose header cannot be read counts as it is: the engine says what is wrong with it. Raises OSError.
    """
    size = file.stat().st_size
    return size - _single_bytes(file) // 2 if dtype in HALF_TYPES else size


def _single_bytes(file: Path) -> int:
    """Bytes of a file's tensors that are in float32."""
    try:
        tensors = json.loads(_header(file))
        spans = [tensor["data_offsets"] for tensor in tensors.values() if tensor.get("dtype") == "F32"]
        single = sum(int(end) - int(begin) for begin, end in spans)
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0
    return min(max(0, single), file.stat().st_size)


def _header(file: Path) -> bytes:
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        return stream.read(length) if length <= HEADER_LIMIT else b""
