"""The parts of engines' answers that tell what was used, as a native scan reads them."""

import msgspec


class Counts(msgspec.Struct, gc=False):
    """In OpenAI's words, and in those of `/v1/responses` and `/v1/messages`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Inner(msgspec.Struct, gc=False):
    usage: Counts | None = None


class Answer(msgspec.Struct, gc=False):
    usage: Counts | None = None
    response: Inner | None = None
    message: Inner | None = None
    choices: msgspec.Raw = msgspec.Raw()


class Options(msgspec.Struct, gc=False):
    include_usage: bool | None = None
