"""A body with media -> the same with that media as data, made anew. All else keeps its bytes."""

import asyncio
import base64
from collections.abc import Awaitable
from typing import Any, NamedTuple

import msgspec

from contract.errors import ApiError
from proxy.media.data_urls import is_data_url, parse_data_url
from proxy.media.decoder import Decoder
from proxy.media.fetch import Fetcher
from proxy.media.limits import MediaLimits
from proxy.media.outline import Outline, Pieces
from proxy.media.parts import UNSEARCHED, Kind, Part, find_parts
from proxy.media.refusal import MediaRefused, late

PICTURES = frozenset({"image/png", "image/jpeg", "image/jpg", "image/webp"})
SOUNDS = frozenset({"audio/wav", "audio/x-wav", "audio/wave", "audio/mpeg", "audio/mp3"})
SOUND_FORMATS = frozenset({"wav", "mp3"})
FRAMES = "video/jpeg"  # a video as its pictures, with a comma between: what a decoder of pictures can vouch for

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Made(NamedTuple):
    """A file that was made anew, in base64."""

    media_type: str
    payload: Pieces


class Media:
    """What the proxy does with media. One for all requests; `close` it at the end."""

    def __init__(self, fetcher: Fetcher, decoder: Decoder, limits: MediaLimits) -> None:
        self._fetcher = fetcher
        self._decoder = decoder
        self._limits = limits

    async def close(self) -> None:
        await self._decoder.close()

    async def localise(self, body: bytes) -> bytes:
        """A body that `peek` accepted -> the body to send. Without a part it is the same. Raises ApiError."""
        outline = await Outline.of(body)
        members: dict[str, Any] = {**_MEMBERS.decode(outline.text)}
        await asyncio.sleep(0)  # a long text that is no base64 is still in it: streams have their turn in between
        parts = [part for name in members for part in _parts_of(members, name)]
        if not parts:
            return body
        if len(parts) > self._limits.count:
            message = f"The body holds {len(parts)} pieces of media; {self._limits.count} are the most."
            raise ApiError(400, "too_many_media", message, param=parts[self._limits.count].path)
        try:
            async with asyncio.timeout(self._limits.seconds):
                for part in parts:
                    await self._replace(part, outline)
        except TimeoutError as error:
            raise late() from error
        await asyncio.sleep(0)
        return await outline.fill(msgspec.json.encode(members))

    async def picture(self, data: bytes, param: str) -> tuple[str, bytes]:
        """A file that was sent -> its media type and the same picture written anew. Raises ApiError (400, 503)."""
        return await self._decoded(self._remake((data,), is_base64=False), param)

    async def picture_at(self, url: str, param: str) -> tuple[str, bytes]:
        """The same for a URL, a data URL as well. Raises ApiError (400, 503)."""
        return await self._decoded(self._picture(url, Outline()), param)

    async def _decoded(self, making: Awaitable[Made], param: str) -> tuple[str, bytes]:
        try:
            async with asyncio.timeout(self._limits.seconds):
                made = await making
        except TimeoutError as error:
            raise late() from error
        except MediaRefused as error:
            raise error.at(param) from error
        return made.media_type, await asyncio.to_thread(base64.b64decode, b"".join(made.payload))

    async def _replace(self, part: Part, outline: Outline) -> None:
        try:
            match part.kind:
                case Kind.PICTURE:
                    part.put(_url(await self._picture(part.url, outline), outline))
                case Kind.VIDEO:
                    part.put(await self._frames(part.url, outline))
                case Kind.SOUND:
                    part.put(_url(await self._sound(part.url, outline), outline))
                case Kind.RAW_SOUND:
                    part.put(await self._raw_sound(part.fields, outline))
                case Kind.SOURCE:
                    part.put(await self._source(part.fields, outline))
                case Kind.FILE:
                    raise MediaRefused("unsupported_media", "files are not taken; send text, or pictures")
        except MediaRefused as error:
            raise error.at(part.path) from error

    async def _picture(self, url: str, outline: Outline) -> Made:
        if not is_data_url(url):
            return await self._remake((await self._fetcher.fetch(url),), is_base64=False)
        data = parse_data_url(url)
        _require(data.media_type, PICTURES, "a PNG, JPEG or WEBP picture")
        return await self._remake(_pieces(data.payload, outline))

    async def _frames(self, url: str, outline: Outline) -> str:
        """Films are not taken: to bound what a film's decoder does, it would have to run here."""
        data = parse_data_url(url) if is_data_url(url) else None
        if data is None or data.media_type != FRAMES:
            reason = f"send a video as the JPEG pictures of its frames: 'data:{FRAMES};base64,FRAME,FRAME,...'"
            raise MediaRefused("unsupported_media", reason)
        frames = data.payload.split(",", self._limits.count)
        if len(frames) > self._limits.count:
            raise MediaRefused("too_many_media", f"{self._limits.count} frames are the most")
        made = [await self._remake(_pieces(frame, outline)) for frame in frames]
        return f"data:{FRAMES};base64," + ",".join(outline.stand_for(frame.payload) for frame in made)

    async def _sound(self, url: str, outline: Outline) -> Made:
        if not is_data_url(url):
            return await self._remake((await self._fetcher.fetch(url),), is_base64=False, is_sound=True)
        data = parse_data_url(url)
        _require(data.media_type, SOUNDS, "a WAV or MP3 sound")
        return await self._remake(_pieces(data.payload, outline), is_sound=True)

    async def _remake(self, pieces: Pieces, *, is_base64: bool = True, is_sound: bool = False) -> Made:
        first, *rest = await self._decoder.remake(pieces, is_base64=is_base64, is_sound=is_sound)
        data = parse_data_url(first.decode("ascii"))
        return Made(data.media_type, (data.payload.encode("ascii"), *rest))

    async def _raw_sound(self, fields: dict[str, Any], outline: Outline) -> dict[str, Any]:
        """OpenAI's `input_audio`: base64, and its format in a word."""
        payload, name = fields.get("data"), fields.get("format")
        if payload is None:  # an engine may know it from before, by its `uuid`
            return fields
        if not isinstance(payload, str) or name not in SOUND_FORMATS:
            raise MediaRefused("unsupported_media", "send 'data' as base64, and 'format' as wav or mp3")
        made = await self._remake(_pieces(payload, outline), is_sound=True)
        data = outline.stand_for(made.payload)
        return {**fields, "data": data, "format": "wav" if made.media_type == "audio/wav" else "mp3"}

    async def _source(self, fields: dict[str, Any], outline: Outline) -> dict[str, Any]:
        """Anthropic's `source` of an image: base64 with its media type, or a URL."""
        match fields:
            case {"type": "url", "url": str(url)}:
                made = await self._picture(url, outline)
            case {"type": "base64", "media_type": str(media_type), "data": str(payload)}:
                _require(media_type.lower(), PICTURES, "a PNG, JPEG or WEBP picture")
                made = await self._remake(_pieces(payload, outline))
            case _:
                raise MediaRefused(
                    "unsupported_media", "write a source of type base64, with media_type and data, or url"
                )
        return {"type": "base64", "media_type": made.media_type, "data": outline.stand_for(made.payload)}


def _parts_of(members: dict[str, Any], name: str) -> list[Part]:
    """The parts of one member, which is then given decoded; a member without any keeps the bytes that it came in."""
    if name in UNSEARCHED:
        return []
    value = msgspec.json.decode(members[name])
    parts = list(find_parts(value, name))
    if parts:
        members[name] = value
    return parts


def _require(media_type: str, allowed: frozenset[str], wanted: str) -> None:
    if media_type not in allowed:
        raise MediaRefused("unsupported_media", f"send {wanted}")


def _url(made: Made, outline: Outline) -> str:
    return f"data:{made.media_type};base64,{outline.stand_for(made.payload)}"


def _pieces(payload: str, outline: Outline) -> Pieces:
    try:
        return outline.pieces(payload)
    except UnicodeEncodeError as error:
        raise MediaRefused("not_base64", "it is not base64") from error
