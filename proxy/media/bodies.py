"""A body with media -> the same with that media as data, made anew. All else keeps its bytes."""

import asyncio
import base64
from collections.abc import Awaitable
from typing import Any

import msgspec

from contract.errors import ApiError
from proxy.media.data_urls import is_data_url, parse_data_url
from proxy.media.decoder import Decoder
from proxy.media.fetch import Fetcher
from proxy.media.limits import MediaLimits
from proxy.media.parts import UNSEARCHED, Kind, Part, find_parts
from proxy.media.refusal import MediaRefused, late

PICTURES = frozenset({"image/png", "image/jpeg", "image/jpg", "image/webp"})
SOUNDS = frozenset({"audio/wav", "audio/x-wav", "audio/wave", "audio/mpeg", "audio/mp3"})
SOUND_FORMATS = frozenset({"wav", "mp3"})
FRAMES = "video/jpeg"  # a video as its pictures, with a comma between: what a decoder of pictures can vouch for

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


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
        members: dict[str, Any] = {**_MEMBERS.decode(body)}
        await asyncio.sleep(0)  # megabytes in each of these steps: streams have their turn in between
        parts = [part for name in members for part in _parts_of(members, name)]
        if not parts:
            return body
        if len(parts) > self._limits.count:
            message = f"The body holds {len(parts)} pieces of media; {self._limits.count} are the most."
            raise ApiError(400, "too_many_media", message, param=parts[self._limits.count].path)
        try:
            async with asyncio.timeout(self._limits.seconds):
                for part in parts:
                    await self._replace(part)
        except TimeoutError as error:
            raise late() from error
        await asyncio.sleep(0)
        return msgspec.json.encode(members)

    async def picture(self, data: bytes, param: str) -> tuple[str, bytes]:
        """A file that was sent -> its media type and the same picture written anew. Raises ApiError (400, 503)."""
        return await self._decoded(self._decoder.picture(data, is_base64=False), param)

    async def picture_at(self, url: str, param: str) -> tuple[str, bytes]:
        """The same for a URL, a data URL as well. Raises ApiError (400, 503)."""
        return await self._decoded(self._picture(url), param)

    async def _decoded(self, made: Awaitable[str], param: str) -> tuple[str, bytes]:
        try:
            async with asyncio.timeout(self._limits.seconds):
                data = parse_data_url(await made)
        except TimeoutError as error:
            raise late() from error
        except MediaRefused as error:
            raise error.at(param) from error
        return data.media_type, await asyncio.to_thread(base64.b64decode, data.payload)

    async def _replace(self, part: Part) -> None:
        try:
            match part.kind:
                case Kind.PICTURE:
                    part.put(await self._picture(part.url))
                case Kind.VIDEO:
                    part.put(await self._frames(part.url))
                case Kind.SOUND:
                    part.put(await self._sound(part.url))
                case Kind.RAW_SOUND:
                    part.put(await self._raw_sound(part.fields))
                case Kind.SOURCE:
                    part.put(await self._source(part.fields))
                case Kind.FILE:
                    raise MediaRefused("unsupported_media", "files are not taken; send text, or pictures")
        except MediaRefused as error:
            raise error.at(part.path) from error

    async def _picture(self, url: str) -> str:
        if not is_data_url(url):
            return await self._decoder.picture(await self._fetcher.fetch(url), is_base64=False)
        data = parse_data_url(url)
        _require(data.media_type, PICTURES, "a PNG, JPEG or WEBP picture")
        return await self._decoder.picture(_ascii(data.payload), is_base64=True)

    async def _frames(self, url: str) -> str:
        """Films are not taken: to bound what a film's decoder does, it would have to run here."""
        data = parse_data_url(url) if is_data_url(url) else None
        if data is None or data.media_type != FRAMES:
            reason = f"send a video as the JPEG pictures of its frames: 'data:{FRAMES};base64,FRAME,FRAME,...'"
            raise MediaRefused("unsupported_media", reason)
        frames = data.payload.split(",", self._limits.count)
        if len(frames) > self._limits.count:
            raise MediaRefused("too_many_media", f"{self._limits.count} frames are the most")
        made = [await self._decoder.picture(_ascii(frame), is_base64=True) for frame in frames]
        return f"data:{FRAMES};base64," + ",".join(parse_data_url(frame).payload for frame in made)

    async def _sound(self, url: str) -> str:
        if not is_data_url(url):
            return await self._decoder.sound(await self._fetcher.fetch(url), is_base64=False)
        data = parse_data_url(url)
        _require(data.media_type, SOUNDS, "a WAV or MP3 sound")
        return await self._decoder.sound(_ascii(data.payload), is_base64=True)

    async def _raw_sound(self, fields: dict[str, Any]) -> dict[str, Any]:
        """OpenAI's `input_audio`: base64, and its format in a word."""
        payload, name = fields.get("data"), fields.get("format")
        if payload is None:  # an engine may know it from before, by its `uuid`
            return fields
        if not isinstance(payload, str) or name not in SOUND_FORMATS:
            raise MediaRefused("unsupported_media", "send 'data' as base64, and 'format' as wav or mp3")
        made = parse_data_url(await self._decoder.sound(_ascii(payload), is_base64=True))
        return {**fields, "data": made.payload, "format": "wav" if made.media_type == "audio/wav" else "mp3"}

    async def _source(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Anthropic's `source` of an image: base64 with its media type, or a URL."""
        match fields:
            case {"type": "url", "url": str(url)}:
                made = parse_data_url(await self._picture(url))
            case {"type": "base64", "media_type": str(media_type), "data": str(payload)}:
                _require(media_type.lower(), PICTURES, "a PNG, JPEG or WEBP picture")
                made = parse_data_url(await self._decoder.picture(_ascii(payload), is_base64=True))
            case _:
                raise MediaRefused(
                    "unsupported_media", "write a source of type base64, with media_type and data, or url"
                )
        return {"type": "base64", "media_type": made.media_type, "data": made.payload}


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


def _ascii(payload: str) -> bytes:
    try:
        return payload.encode("ascii")
    except UnicodeEncodeError as error:
        raise MediaRefused("not_base64", "it is not base64") from error
