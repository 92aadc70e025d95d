"""Pictures in answers: found without decoding what they stand in."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.artifacts.pictures import bytes_of, lift, pictures_in, pictures_in_events

TEXTS = st.text() | st.sampled_from(['"b64_json": "', "b64_json", '\\"b64_json\\":\\"x', '"b64_json"', "\\"])


def document(contents: list[bytes], words: str) -> dict[str, Any]:
    data = [
        {"b64_json": base64.b64encode(each).decode(), "seed": at, "note": words} for at, each in enumerate(contents)
    ]
    return {"created": 1, words: words, "data": data, "b64_json": None}


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=5), TEXTS)
def test_every_picture_is_found_whatever_stands_beside_it(contents: list[bytes], words: str) -> None:
    for spaces in ((",", ":"), (", ", " : ")):
        answer = json.dumps(document(contents, words), separators=spaces).encode()
        if words == "data":
            continue
        assert [(bytes_of(each), each.seed) for each in pictures_in(answer)] == list(
            zip(contents, range(len(contents)), strict=True)
        )


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=3), TEXTS)
def test_only_what_a_stream_completes_is_found(contents: list[bytes], words: str) -> None:
    events = b""
    for kind in ("partial_image", "completed"):
        for each in contents:
            told = {"type": f"image_edit.{kind}", "b64_json": base64.b64encode(each).decode(), "note": words}
            events += f"event: image_edit.{kind}\ndata: {json.dumps(told)}\n\n".encode()
    assert [bytes_of(each) for each in pictures_in_events(b": waiting\n\n" + events)] == contents


NOTHING = (b"", b"[]", b"{}", b'{"data": 1}', b'{"data": [{"b64_json": null}]}', b'{"data": [{"b64_json": ""}]}')


@pytest.mark.parametrize("answer", [*NOTHING, b'"b64_json"'])
def test_what_is_no_answer_with_pictures_has_none(answer: bytes) -> None:
    assert pictures_in(answer) == []


@given(st.binary(max_size=100) | st.lists(st.sampled_from([b'"b64_json"', b":", b'"', b"x", b" "])).map(b"".join))
def test_no_bytes_are_too_strange_to_be_looked_at(answer: bytes) -> None:
    small, lifted = lift(answer)
    assert len(small) <= len(answer) + 20 * len(lifted)
