"""A real vLLM that cannot start as its entry in models.json says."""

import openai
import pytest

from tests.integration.endpoints.keyed import OVERLONG, Caller

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_a_model_whose_entry_asks_too_much_names_the_argument_and_what_helps(caller: Caller) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        caller.sdk.chat.completions.create(model=OVERLONG, messages=[{"role": "user", "content": "Hello"}])
    assert (raised.value.status_code, raised.value.code) == (503, "engine_start_failed")
    first_line = raised.value.message.partition("\n")[0]
    assert "`args.max-model-len` is more than the model can; lower it, or leave it out" in first_line
    assert "derived max_model_len" in raised.value.message, "the engine's own words follow"
