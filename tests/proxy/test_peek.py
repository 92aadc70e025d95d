"""What the scan of a body accepts, reads and refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ApiError
from proxy.gateway.keep_fields import KEEP_FIELDS
from proxy.gateway.peek import DEPTH_LIMIT, peek
from proxy.gateway.peeked import DENIED

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: "\0" not in text)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
READ = {*DENIED, *KEEP_FIELDS, "model", "stream"}
BODY = st.dictionaries(TEXT.filter(lambda key: key not in READ), VALUE, max_size=6)


@given(BODY, TEXT | st.none(), st.booleans() | st.none(), st.booleans(), st.sampled_from([None, 2]))
def test_it_agrees_with_json_on_model_and_stream(
    body: dict[str, Any], model: str | None, stream: bool | None, ascii_only: bool, indent: int | None
) -> None:
    document = {**body, "model": model, "stream": stream}
    data = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    peeked = peek(data)
    assert (peeked.model, peeked.stream) == (model, stream)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_it_never_raises_anything_but_an_api_error(data: bytes) -> None:
    try:
        peeked = peek(data)
    except ApiError:
        return
    document = json.loads(data)
    assert isinstance(document, dict)
    assert document.get("model") == peeked.model


@given(BODY, st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_a_body_with_foreign_bytes_is_refused_or_still_json(body: dict[str, Any], where: int, noise: bytes) -> None:
    data = json.dumps(body, ensure_ascii=False).encode()
    data = data[:where] + noise + data[where:]
    try:
        peek(data)
    except ApiError:
        return
    json.loads(data)


@given(VALUE)
def test_what_is_no_object_is_refused(value: Any) -> None:  # noqa: ANN401
    if not isinstance(value, dict):
        with pytest.raises(ApiError):
            peek(json.dumps(value).encode())


@pytest.mark.parametrize("field", DENIED)
def test_a_field_that_reaches_into_the_engine_is_refused_by_name_and_null_is_not(field: str) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in field)
    for name in (field, escaped):
        with pytest.raises(ApiError) as raised:
            peek(f'{{"model":"m","{name}":{{"a":1}}}}'.encode())
        assert (raised.value.status, raised.value.param) == (400, field)
    assert peek(f'{{"model":"m","{field}":null}}'.encode()).model == "m"


def test_the_deny_list_is_the_one_that_was_agreed() -> None:
    names = """
        api_base base_url api_key extra_headers extra_body chat_template chat_template_kwargs prompt_embeds
        guided_regex mm_processor_kwargs trust_remote_code lora_request kv_transfer_params
    """
    assert set(DENIED) == set(names.split())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":[]}', "model"),
        (b'{"stream":0}', "stream"),
        (b'{"keep_alive":{}}', "keep_alive"),
        (b'{"ttl":1.5}', "ttl"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(body: bytes, param: str) -> None:
    with pytest.raises(ApiError) as raised:
        peek(body)
    assert raised.value.param == param


@given(st.lists(st.sampled_from(["[]", "{}"]), min_size=1, max_size=150), TEXT)
def test_depth_is_bounded_exactly_whatever_the_strings_hold(brackets: list[str], text: str) -> None:
    value: Any = text + '[{"\\' * 70
    for kind in brackets:
        value = [value] if kind == "[]" else {text: value}
    data = json.dumps({"a": value, "model": "m"}).encode()
    if len(brackets) + 1 <= DEPTH_LIMIT:
        assert peek(data).model == "m"
    else:
        with pytest.raises(ApiError, match="nested"):
            peek(data)


@pytest.mark.parametrize(
    "text",
    [r'"\ud800"', r'"\udc00 x"', r'"\ud800\u0041"', r'"\ud800\\udc00"', r'"\u0000"', r'"\\\u0000"', "NaN", "Infinity"],
)
def test_what_json_cannot_carry_as_text_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        peek(f'{{"a":{text}}}'.encode())


def test_text_that_only_looks_like_an_escape_is_accepted() -> None:
    assert peek(rb'{"model":"m","a":"\\u0000 \\ud800 \ud83d\ude00"}').model == "m"


def test_a_large_conversation_is_scanned_and_not_refused() -> None:
    messages = [{"role": "user", "content": 'say "[{" \\ ' * 50} for _ in range(500)]
    assert peek(json.dumps({"model": "m", "messages": messages}).encode()).model == "m"
