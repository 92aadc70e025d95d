"""Bodies with media in all their shapes: what is replaced, what keeps its bytes, what is refused and where."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError
from proxy.gateway.media_marks import PARTS_IN_MESSAGES, holds_media
from proxy.media.bodies import Media
from proxy.media.parts import UNSEARCHED, find_parts
from tests.proxy.media.pictures import chat, data_url, encoded, opened, picture_part

pytestmark = pytest.mark.anyio

PICTURE = data_url(encoded())
FRAME = base64.b64encode(encoded("JPEG")).decode()
WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)


async def localised(media: Media, body: bytes) -> Any:  # noqa: ANN401
    return json.loads(await media.localise(body))


async def refused(media: Media, body: bytes) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await media.localise(body)
    return raised.value


async def test_a_picture_is_replaced_and_all_else_keeps_its_bytes(media: Media) -> None:
    body = b'{"model":"m", "x": 1.50, "n":1e2,"messages":[{"content":[{"image_url":"' + PICTURE.encode() + b'"}]}]}'
    sent = await media.localise(body)
    assert sent.startswith(
        b'{"model":"m","x":1.50,"n":1e2,"messages":[{"content":[{"image_url":"data:image/png;base64,'
    )
    assert opened(json.loads(sent)["messages"][0]["content"][0]["image_url"]).size == (8, 6)


@pytest.mark.parametrize(
    "part",
    [
        picture_part(PICTURE),
        {**picture_part(PICTURE), "uuid": "1"},
        {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
        {"image_url": PICTURE},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
        {
            "type": "tool_result",
            "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": FRAME}}],
        },
        {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{FRAME},{FRAME}"}},
        {"type": "audio_url", "audio_url": {"url": data_url(WAVE, "audio/x-wav")}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAVE).decode(), "format": "mp3"}},
    ],
)
async def test_every_shape_of_a_part_is_found_and_made_anew(media: Media, part: dict[str, Any]) -> None:
    body = chat(part)
    assert holds_media(body, PARTS_IN_MESSAGES, anthropic=True)
    made = (await localised(media, body))["messages"][0]["content"][1]
    assert made != part
    assert made.keys() == part.keys()


async def test_what_a_sound_says_it_is_gives_way_to_what_it_is(media: Media) -> None:
    part = {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAVE).decode(), "format": "mp3"}}
    made = (await localised(media, chat(part)))["messages"][0]["content"][1]
    assert made["input_audio"]["format"] == "wav"


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (picture_part("http://127.0.0.1/a.png"), "invalid_media_url"),
        (picture_part("https://pictures.example/a.png"), "media_host_not_allowed"),
        (picture_part("file:///etc/passwd"), "invalid_media_url"),
        (picture_part(""), "invalid_media_url"),
        (picture_part(7), "invalid_type"),
        (picture_part(None), "invalid_type"),
        (picture_part(["http://127.0.0.1/"]), "invalid_type"),
        ({"image_url": ["http://127.0.0.1/"]}, "invalid_type"),
        (picture_part("data:image/png;base64,!!"), "not_base64"),
        (picture_part("data:image/png;base64,aé"), "not_base64"),
        (picture_part("data:image/png,aGk="), "invalid_media_url"),
        (picture_part("data:;base64,aGk="), "invalid_media_url"),
        (picture_part("data:text/html;base64,PGI+"), "unsupported_media"),
        (picture_part(data_url(b"<svg/>", "image/svg+xml")), "unsupported_media"),
        (picture_part(data_url(encoded("GIF"), "image/gif")), "unsupported_media"),
        (picture_part(data_url(encoded("GIF"))), "not_a_picture"),
        ({"type": "video_url", "video_url": {"url": "http://127.0.0.1/a.m3u8"}}, "unsupported_media"),
        (
            {"type": "video_url", "video_url": {"url": data_url(b"#EXTM3U\nfile:///etc/passwd", "video/mp4")}},
            "unsupported_media",
        ),
        (
            {"type": "video_url", "video_url": {"url": "data:video/jpeg;base64," + ",".join([FRAME] * 10_000)}},
            "too_many_media",
        ),
        ({"type": "audio_url", "audio_url": {"url": "http://127.0.0.1/"}}, "invalid_media_url"),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, "not_a_sound"),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "../x"}}, "unsupported_media"),
        ({"type": "input_file", "file_url": "http://127.0.0.1/"}, "unsupported_media"),
        ({"type": "image", "source": {"type": "url", "url": "http://127.0.0.1/"}}, "invalid_media_url"),
        ({"type": "image", "source": {"type": "file", "file_id": "x"}}, "unsupported_media"),
        ({"type": "image", "source": "http://127.0.0.1/"}, "invalid_type"),
    ],
)
async def test_a_part_that_may_not_pass_is_refused_with_its_place(
    media: Media, part: dict[str, Any], code: str
) -> None:
    error = await refused(media, chat(part))
    assert (error.status, error.code) == (400, code)
    assert (error.param or "").startswith("messages[0].content[1].")


@pytest.mark.parametrize(
    "body",
    [
        {"input": [{"content": [picture_part("http://127.0.0.1/")]}]},
        {
            "input": [
                {"type": "function_call_output", "output": [{"type": "input_image", "image_url": "http://127.0.0.1/"}]}
            ]
        },
        {"input": [{"type": "computer_call_output", "output": {"image_url": "http://127.0.0.1/"}}]},
        {"documents": {"content": [picture_part("http://127.0.0.1/")]}},
        {"query": {"content": [picture_part("http://127.0.0.1/")]}},
        {"messages": [[{"content": [picture_part("http://127.0.0.1/")]}]]},
        {"previous_input_messages": [{"content": [picture_part("http://127.0.0.1/")]}]},
        {"anything": {"else": [[{"deep": picture_part("http://127.0.0.1/")}]]}},
    ],
)
async def test_a_part_is_found_wherever_it_stands(media: Media, body: dict[str, Any]) -> None:
    assert (await refused(media, json.dumps(body).encode())).code == "invalid_media_url"


@pytest.mark.parametrize("name", ["image_url", "video_url", "audio_url", "input_audio", "file_url"])
def test_a_name_that_is_written_with_escapes_is_looked_into(name: str) -> None:
    for place in range(len(name)):
        written = name[:place] + f"\\u{ord(name[place]):04x}" + name[place + 1 :]
        for form in (written, written.upper().replace("\\U", "\\u") if name[place] == "_" else written):
            assert holds_media(f'{{"messages":[{{"content":[{{"{form}":"x"}}]}}]}}'.encode(), PARTS_IN_MESSAGES)


async def test_a_name_twice_counts_once_as_the_engine_would_read_it(media: Media) -> None:
    body = f'{{"messages":[{{"content":[{{"image_url":"{PICTURE}","image_url":"http://127.0.0.1/"}}]}}]}}'
    assert (await refused(media, body.encode())).code == "invalid_media_url"
    other = f'{{"messages":[{{"content":[{{"image_url":"http://127.0.0.1/","image_url":"{PICTURE}"}}]}}]}}'
    assert b"127.0.0.1" not in await media.localise(other.encode())


@pytest.mark.parametrize(
    "body",
    [
        chat(tools=[{"function": {"parameters": {"properties": {"image_url": {"type": "string"}}}}}]),
        chat(response_format={"json_schema": {"schema": {"properties": {"image_url": {"type": "string"}}}}}),
        chat({"type": "tool_use", "input": {"image_url": "https://pictures.example/a.png"}}),
        chat({"type": "image_url", "image_url": None, "uuid": "known"}),
        chat({"type": "text", "text": 'write {"image_url": "http://127.0.0.1/"}'}),
        chat({"type": "text", "text": "![a](http://127.0.0.1/a.png)"}),
        chat({"type": "citation", "source": "a book"}),
        b'{"messages":[{"content":"the key \\u0069s escaped"}]}',
        b'{ "image_url" : "at the top it is nobody\'s" , "a" : [ ] }',
    ],
)
async def test_a_body_without_media_stays_byte_for_byte(media: Media, body: bytes) -> None:
    assert await media.localise(body) == body


async def test_more_pieces_than_allowed_are_refused(media: Media) -> None:
    await media.localise(chat(*[picture_part(PICTURE)] * 4))
    error = await refused(media, chat(*[picture_part(PICTURE)] * 5))
    assert (error.code, error.param) == ("too_many_media", "messages[0].content[5].image_url.url")


@pytest.mark.parametrize("text", ["a", "[", "a [b] c_url", "\\u0041 {", "source"])
def test_a_chat_of_texts_alone_is_not_looked_into(text: str) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text.replace("[", "(")}]}).encode()
    assert not holds_media(body, PARTS_IN_MESSAGES)


KEYS = st.text("abc_", max_size=4) | st.sampled_from(sorted(UNSEARCHED))
VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@given(VALUES)
def test_what_has_no_name_of_a_part_has_no_part(value: Any) -> None:  # noqa: ANN401
    assert list(find_parts(value, "x")) == []
