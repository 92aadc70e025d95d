"""What engines say that an answer used: in plain answers, and in the events of streams.

vLLM and OpenAI say it of chats and completions in an event of its own, and only where the request asks for it.
"""

import re
from typing import Final

import msgspec

from contract.usage import Usage
from proxy.gateway.peeked import UNSAID, Peeked
from proxy.gateway.usage_told import Answer, Counts, Inner, Options

MOST: Final = 10**12  # of an engine's word: what is more is none

USAGE_MARK: Final = b'"usage"'
ASKED_FOR: Final = frozenset({"/v1/chat/completions", "/v1/completions"})  # where a stream says it only if asked to

_WISH: Final = b'"stream_options":{"include_usage":true},'
_EVENT: Final = re.compile(rb".*?\r?\n\r?\n", re.DOTALL)
_DATA: Final = re.compile(rb"(?:\A|\n)data: ?(\{.*)")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANSWER: Final = msgspec.json.Decoder(Answer)
_USAGE_ALONE: Final = msgspec.json.Decoder(Inner)
_SKIM: Final = msgspec.json.Decoder(msgspec.Raw)
_OPTIONS: Final = msgspec.json.Decoder(Options)


def usage_of(document: bytes) -> Usage | None:
    """A whole plain answer -> what it used, if it says so. Raises msgspec.DecodeError for what is not JSON."""
    try:
        return _usage(_USAGE_ALONE.decode(document).usage)
    except msgspec.ValidationError:
        _SKIM.decode(document)
        return None


def read_events(events: bytes, hide: bool) -> tuple[Usage | None, bytes]:
    """Whole events, some with USAGE_MARK -> what they say was used, and the events less those that say only that.

    They are left in where `hide` is false: then the caller asked for them.
    """
    used: Usage | None = None
    kept: list[bytes] = []
    for event in _EVENT.findall(events):
        answer = _answer(event) if USAGE_MARK in event else None
        said = _said(answer) if answer is not None else None
        if said is not None:
            used = greater(used, said)
        if not (hide and said is not None and answer is not None and bytes(answer.choices) == b"[]"):
            kept.append(event)
    return used, b"".join(kept) if hide else events


def asks_for_usage(peeked: Peeked) -> bool:
    """Whether a streamed request wants its caller to be told. Options that cannot be read are the engine's to judge."""
    options = bytes(peeked.stream_options)
    try:
        return bool(options) and options != b"null" and _OPTIONS.decode(options).include_usage is True
    except msgspec.DecodeError:
        return True


def with_usage_wish(body: bytes, peeked: Peeked) -> bytes:
    """A streamed request's body, and what `peek` read of it -> the same, asking for the usage.

    All else keeps its bytes.
    """
    if peeked.stream_options is UNSAID:
        begin = body.index(b"{") + 1  # it is no empty object: it says `stream`
        return body[:begin] + _WISH + body[begin:]
    members = _MEMBERS.decode(body)
    options = members.get("stream_options", msgspec.Raw(b"null"))
    wished = {} if bytes(options) == b"null" else _MEMBERS.decode(options)
    wished["include_usage"] = msgspec.Raw(b"true")
    return msgspec.json.encode(members | {"stream_options": wished})


def _answer(event: bytes) -> Answer | None:
    found = _DATA.search(event)
    try:
        return _ANSWER.decode(found[1].rstrip()) if found is not None else None
    except msgspec.DecodeError:
        return None


def _said(answer: Answer) -> Usage | None:
    inner = answer.response or answer.message
    return _usage(answer.usage or (inner.usage if inner is not None else None))


def _usage(counts: Counts | None) -> Usage | None:
    if counts is None:
        return None
    prompt = counts.prompt_tokens if counts.prompt_tokens is not None else counts.input_tokens
    made = counts.completion_tokens if counts.completion_tokens is not None else counts.output_tokens
    if prompt is None and made is None:
        return None
    prompt, made = prompt or 0, made or 0
    if 0 <= prompt <= MOST and 0 <= made <= MOST:
        return Usage(prompt, made)
    # An engine is not to be believed in everything: never negative, never without end.
    return Usage(min(max(prompt, 0), MOST), min(max(made, 0), MOST))


def greater(one: Usage | None, other: Usage) -> Usage:
    """Of one stream: `/v1/messages` tells the prompt's at the beginning, and all of the answer's at the end."""
    if one is None:
        return other
    return Usage(max(one.prompt_tokens, other.prompt_tokens), max(one.completion_tokens, other.completion_tokens))
