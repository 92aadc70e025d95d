import pytest
from playwright.sync_api import Page, expect

from tests.page.browser import ask, choose, last_answer, wait_for_end
from tests.page.standin import StandIn, model
from tests.page.streams import END

pytestmark = pytest.mark.browser


def test_an_answer_is_shown_token_by_token(page: Page, proxy: StandIn) -> None:
    ask(page, "What is the capital of France?")
    answer = proxy.answer()
    answer.say("The capital")
    expect(last_answer(page)).to_have_text("The capital")
    answer.say(" is Paris.")
    expect(last_answer(page)).to_have_text("The capital is Paris.")
    answer.finish(tokens=7)
    wait_for_end(page)
    assert answer.request["stream"] is True
    assert answer.request["model"] == "smollm2"


def test_the_status_line_tells_how_fast_the_answer_came(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.say("Good")
    expect(last_answer(page)).to_have_text("Good")
    answer.say(" day")
    answer.finish(tokens=7)
    expect(page.locator("footer")).to_contain_text("first token")
    expect(page.locator("footer")).to_contain_text("7 tokens")
    expect(page.locator("footer")).to_contain_text("tokens/s")


def test_earlier_turns_are_sent_with_the_next_question(page: Page, proxy: StandIn) -> None:
    ask(page, "My name is Ada.")
    answer = proxy.answer()
    answer.say("Hello\n\nAda.")
    answer.finish()
    wait_for_end(page)
    ask(page, "What is my name?")
    assert proxy.answer().request["messages"] == [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello\n\nAda."},
        {"role": "user", "content": "What is my name?"},
    ]


def test_text_cut_inside_a_character_is_shown_whole(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    event = 'data: {"choices":[{"delta":{"content":"Zoë → 日本 🚂"}}]}\r\n\r\n'.encode()
    for byte in event:
        answer.send(bytes([byte]))
    answer.finish()
    expect(last_answer(page)).to_have_text("Zoë → 日本 🚂")


def test_a_long_answer_of_many_lines_is_shown_and_sent_back_unchanged(page: Page, proxy: StandIn) -> None:
    text = "\n".join(f"line {number}" + "\n" * (number % 3) for number in range(2_000))
    ask(page, "count")
    answer = proxy.answer()
    for start in range(0, len(text), 700):
        answer.say(text[start : start + 700])
    answer.finish()
    wait_for_end(page)
    ask(page, "again")
    messages = proxy.answer().request["messages"]
    assert isinstance(messages, list)
    assert messages[1]["content"] == text


@pytest.mark.parametrize("how", ["button", "key"])
def test_stop_closes_the_request_and_keeps_the_partial_text(page: Page, proxy: StandIn, how: str) -> None:
    ask(page, "Count to a million.")
    answer = proxy.answer()
    answer.say("1, 2, 3")
    expect(last_answer(page)).to_have_text("1, 2, 3")
    if how == "button":
        page.get_by_role("button", name="stop").click()
    else:
        page.keyboard.press("Escape")
    assert answer.was_closed()
    expect(page.locator("article")).to_contain_text("stopped")
    expect(last_answer(page)).to_have_text("1, 2, 3")
    expect(page.get_by_role("button", name="send")).to_be_visible()


def test_comments_tell_how_the_load_goes_until_the_first_token(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.comment("starting: loading weights, 12 of about 45 s")
    expect(page.get_by_role("log")).to_contain_text("starting: loading weights, 12 of about 45 s")
    answer.comment("starting: warming up, 40 of about 45 s")
    expect(page.get_by_role("log")).to_contain_text("starting: warming up, 40 of about 45 s")
    answer.say("Hello.")
    expect(page.get_by_role("log")).not_to_contain_text("starting")


def test_an_error_event_is_shown_with_its_cause_and_its_partial_text_stays(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.say("Once upon")
    answer.fail("The engine of smollm2 died: exit code 137, out of memory.", "engine_error", "engine")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("exit code 137, out of memory")
    expect(alert).to_contain_text("from the engine · engine_error")
    expect(last_answer(page)).to_have_text("Once upon")


def test_a_refused_request_is_shown_with_its_cause_and_can_be_asked_again(page: Page, proxy: StandIn) -> None:
    proxy.refuse(503, "smollm2 could not start: no space left on device.", "engine_start_failed", "manager")
    ask(page, "hi")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("no space left on device")
    expect(alert).to_contain_text("from the manager · engine_start_failed · status 503")
    proxy.refusal = None
    page.get_by_role("button", name="ask again").click()
    answer = proxy.answer()
    answer.say("Hello.")
    answer.finish()
    expect(last_answer(page)).to_have_text("Hello.")
    expect(alert).to_have_count(0)
    assert answer.request["messages"] == [{"role": "user", "content": "hi"}]


def test_a_failed_question_is_asked_again_of_the_model_that_is_now_chosen(page: Page, proxy: StandIn) -> None:
    proxy.events().event({"models": [model("smollm2", "failed"), model("qwen3-4b")]}, "models")
    ask(page, "hi")
    proxy.answer().fail("It died.", "engine_error", "engine")
    choose(page, "qwen3-4b")
    page.get_by_role("button", name="ask again").click()
    assert proxy.answer().request["model"] == "qwen3-4b"


def test_a_stream_that_ends_without_done_is_not_taken_for_an_answer(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.say("Half an")
    answer.send(b": the end\n", END)
    expect(page.get_by_role("alert")).to_have_text("The connection closed before the answer was complete.")


def test_a_connection_that_breaks_is_told(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.say("Half an")
    expect(last_answer(page)).to_have_text("Half an")
    answer.cut()
    expect(page.get_by_role("alert")).to_contain_text("The connection broke before the answer was complete.")


def test_an_event_that_is_not_json_is_told(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.send(b"data: <html>Bad gateway</html>\n\n")
    expect(page.get_by_role("alert")).to_contain_text("not JSON: <html>Bad gateway</html>")
    assert answer.was_closed()


def test_an_answer_cut_off_at_the_token_limit_says_so(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.say("And then")
    answer.finish(reason="length")
    expect(page.locator("article")).to_contain_text("cut off at the token limit")


@pytest.mark.parametrize("how", ["Control+l", "/clear"])
def test_clear_forgets_the_conversation_and_stops_the_answer(page: Page, proxy: StandIn, how: str) -> None:
    ask(page, "A secret.")
    answer = proxy.answer()
    answer.say("I shall")
    expect(last_answer(page)).to_have_text("I shall")
    if how == "/clear":
        ask(page, how)
    else:
        page.keyboard.press(how)
    expect(page.locator("article")).to_have_count(0)
    assert answer.was_closed()
    ask(page, "hi")
    assert proxy.answer().request["messages"] == [{"role": "user", "content": "hi"}]
