"""A staged file on its way into a bucket: in one piece, or in parts that are an object only when all have come.

The server is told each piece's checksum, and refuses what came to it changed; what was read of the disk meanwhile is
held against the digest that was taken when it came in.
"""

import errno
import hashlib
from base64 import b64encode
from contextlib import suppress
from typing import BinaryIO

from proxy.artifacts.bucket.line import Line
from proxy.artifacts.staging import Staging

PART = 8 * 2**20
MOST_PARTS = 10_000  # of one object, as the protocol has it
MEBIBYTE = 2**20


def send_file(line: Line, key: str, file: BinaryIO, staged: Staging) -> None:
    """All of it. Raises OSError; nothing is there by this name then."""
    if staged.size > PART:
        _send_parts(line, key, file, staged)
        return
    data = file.read(staged.size + 1)
    _require_same(hashlib.sha256(data).hexdigest(), staged)
    send_bytes(line, key, data)


def send_bytes(line: Line, key: str, data: bytes) -> None:
    """A small one; one that is there by this name is replaced."""
    line.ask("put_object", Key=key, Body=data, ContentMD5=_checksum(data))


def part_size(size: int) -> int:
    """Bytes of each part but the last: as few as the number of parts allows."""
    return max(PART, -(-size // MOST_PARTS // MEBIBYTE) * MEBIBYTE)


def _send_parts(line: Line, key: str, file: BinaryIO, staged: Staging) -> None:
    upload = str(line.ask("create_multipart_upload", Key=key)["UploadId"])
    try:
        parts = _parts(line, key, upload, file, staged)
        line.ask("complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    except OSError:
        with suppress(OSError):
            line.ask("abort_multipart_upload", Key=key, UploadId=upload)
        raise


def _parts(line: Line, key: str, upload: str, file: BinaryIO, staged: Staging) -> list[dict[str, object]]:
    digest, length = hashlib.sha256(), part_size(staged.size)
    parts: list[dict[str, object]] = []
    while data := file.read(length):
        digest.update(data)
        which = {"Key": key, "UploadId": upload, "PartNumber": len(parts) + 1}
        answer = line.ask("upload_part", Body=data, ContentMD5=_checksum(data), **which)
        parts.append({"PartNumber": len(parts) + 1, "ETag": answer["ETag"]})
    _require_same(digest.hexdigest(), staged)
    return parts


def _require_same(digest: str, staged: Staging) -> None:
    if digest != staged.sha256():
        raise OSError(errno.EIO, "what was staged is not what came")


def _checksum(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
