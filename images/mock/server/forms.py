"""The multipart forms of edits and variations: fields as text, pictures as bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from multipart import MultipartError, MultipartParser, MultipartPart, parse_options_header

from images.mock.server.errors import refused

PICTURES = ("image", "image[]")
PART_MOST = 50 * 2**20


@dataclass
class Form:
    """`pictures` are those to be changed; a mask is taken and not looked at."""

    fields: dict[str, str] = field(default_factory=dict)
    pictures: list[bytes] = field(default_factory=list)


def read(content_type: str, body: bytes) -> Form:
    """Raises ApiError for what is no form, or has no picture."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise refused("unsupported_media_type", "Send the body as 'Content-Type: multipart/form-data'.", status=415)
    form = Form()
    try:
        for part in _parts(body, options["boundary"]):
            _add(form, part)
    except MultipartError as error:
        raise refused("invalid_multipart", f"The form cannot be read: {error}.") from error
    if not form.pictures:
        raise refused("missing_required_parameter", "An edit needs a picture as `image`.", "image")
    return form


def _parts(body: bytes, boundary: str) -> Iterator[MultipartPart]:
    return iter(MultipartParser(BytesIO(body), boundary, mem_limit=PART_MOST, memfile_limit=PART_MOST))


def _add(form: Form, part: MultipartPart) -> None:
    if part.name in PICTURES:
        form.pictures.append(part.raw)
    elif part.filename is None:
        form.fields[part.name] = part.value
