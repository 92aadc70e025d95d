"""What is read of a request's body, by one native scan."""

import msgspec

UNSAID = msgspec.Raw()  # a raw field that the body does not have


class Peeked(msgspec.Struct, frozen=True, gc=False):
    """What we read of a request. A field that may only be null is a field that nobody may send.

    Of the raw ones only who needs them makes sense: whether they are good is the engine's to judge.
    """

    model: str | None = None
    stream: bool | None = None
    stream_options: msgspec.Raw = UNSAID
    max_tokens: msgspec.Raw = UNSAID
    max_completion_tokens: msgspec.Raw = UNSAID
    max_output_tokens: msgspec.Raw = UNSAID
    n: msgspec.Raw = UNSAID
    keep_alive: int | float | str | msgspec.UnsetType | None = msgspec.UNSET
    ttl: int | msgspec.UnsetType | None = msgspec.UNSET
    api_base: None = None
    base_url: None = None
    api_key: None = None
    extra_headers: None = None
    extra_body: None = None
    chat_template: None = None
    chat_template_kwargs: None = None
    prompt_embeds: None = None
    guided_regex: None = None
    mm_processor_kwargs: None = None
    trust_remote_code: None = None
    lora_request: None = None
    kv_transfer_params: None = None


_BOUNDS = frozenset({"stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens", "n"})
_READ = frozenset({"model", "stream", "keep_alive", "ttl"}) | _BOUNDS
DENIED = tuple(field for field in Peeked.__struct_fields__ if field not in _READ)
