"""Pictures, as bytes and as data URLs, and bodies that hold them."""

import base64
import json
from io import BytesIO
from typing import Any

from PIL import Image


def encoded(form: str = "PNG", size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: Any) -> bytes:  # noqa: ANN401
    """A picture file."""
    out = BytesIO()
    Image.new(mode, size).save(out, form, **options)
    return out.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def chat(*parts: dict[str, Any], **fields: Any) -> bytes:  # noqa: ANN401
    """A chat whose one message holds these parts."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]
    return json.dumps({"model": "small", "messages": messages, **fields}).encode()


def picture_part(url: object) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def opened(url: str) -> Image.Image:
    """What a data URL shows."""
    return Image.open(BytesIO(base64.b64decode(url.partition(",")[2])))
