"""Requests for text, and the words of an answer: those of the prompt, so that people see what came through."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Annotated, Any

from pydantic import BaseModel, Field

NO_WORDS = ("mock",)

Bound = Annotated[int, Field(ge=1)]


class StreamOptions(BaseModel):
    include_usage: bool = False


class TextRequest(BaseModel):
    """What both endpoints read of a request. Other parameters are of no use to an engine without a model."""

    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Bound | None = None
    max_completion_tokens: Bound | None = None
    n: Annotated[int, Field(ge=1, le=1)] = 1
    mock: dict[str, Any] | None = None

    @property
    def most(self) -> int | None:
        """Tokens that the answer may have."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class Part(BaseModel):
    """A piece of a message; what is no text is shown by its type."""

    type: str = "text"
    text: str | None = None

    def __str__(self) -> str:
        return self.text if self.text is not None else f"[{self.type}]"


class Message(BaseModel):
    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        return " ".join(map(str, self.content)) if isinstance(self.content, list) else self.content or ""


class ChatRequest(TextRequest):
    """POST /v1/chat/completions. The last message of the user is answered."""

    messages: Annotated[list[Message], Field(min_length=1)]

    def said(self) -> str:
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    def read(self) -> int:
        """Tokens of the whole prompt."""
        return sum(len(message.text.split()) for message in self.messages)


class CompletionRequest(TextRequest):
    """POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]

    def said(self) -> str:
        return self.prompt if isinstance(self.prompt, str) else " ".join(map(str, self.prompt))

    def read(self) -> int:
        return len(self.said().split())


@dataclass(frozen=True)
class Draft:
    """The tokens of an answer, and why it ends: `stop`, or `length` where a bound of the request cut it."""

    tokens: tuple[str, ...]
    finish: str

    def usage(self, read: int, written: int) -> dict[str, int]:
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def draft(prompt: str, wanted: int | None, most: int | None) -> Draft:
    """`wanted` words of the prompt, over and over; None: each once. Never more than `most`."""
    words = prompt.split() or NO_WORDS
    length = len(words) if wanted is None else wanted
    cut = length if most is None else min(length, most)
    tokens = (word if number == 0 else f" {word}" for number, word in enumerate(islice(cycle(words), cut)))
    return Draft(tuple(tokens), "length" if cut < length else "stop")


@dataclass(frozen=True)
class Shape:
    """How one endpoint writes its answers. `first` opens a stream, `last` closes it."""

    whole: str
    chunk: str
    is_chat: bool

    def choice(self, text: str) -> dict[str, object]:
        return {"message": {"role": "assistant", "content": text}} if self.is_chat else {"text": text}

    def piece(self, text: str) -> dict[str, object]:
        return {"delta": {"content": text}} if self.is_chat else {"text": text}

    @property
    def first(self) -> Mapping[str, object] | None:
        return {"delta": {"role": "assistant", "content": ""}} if self.is_chat else None

    @property
    def last(self) -> Mapping[str, object]:
        return {"delta": {}} if self.is_chat else {"text": ""}


CHAT = Shape("chat.completion", "chat.completion.chunk", is_chat=True)
COMPLETION = Shape("text_completion", "text_completion", is_chat=False)
