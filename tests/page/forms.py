"""A form that the page sent, read by the standard library."""

from email.parser import BytesParser
from email.policy import HTTP


def read_form(content_type: str, body: bytes) -> tuple[dict[str, object], list[tuple[str, bytes]]]:
    """-> the fields, and each file with its field's name."""
    message = BytesParser(policy=HTTP).parsebytes(f"content-type: {content_type}\r\n\r\n".encode() + body)
    fields: dict[str, object] = {}
    files: list[tuple[str, bytes]] = []
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        if part.get_filename() is None:
            fields[name] = data.decode()
        else:
            files.append((name, data))
    return fields, files
