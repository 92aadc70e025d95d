import pytest
from playwright.sync_api import Page, expect

from tests.page.browser import ask, last_answer, wait_for_end
from tests.page.standin import StandIn

pytestmark = pytest.mark.browser


def answered(page: Page, proxy: StandIn, question: str) -> None:
    ask(page, question)
    answer = proxy.answer()
    answer.say("Yes.")
    answer.finish()
    wait_for_end(page)


def test_the_up_and_down_keys_recall_earlier_inputs_and_the_draft(page: Page, proxy: StandIn) -> None:
    answered(page, proxy, "first")
    answered(page, proxy, "second")
    prompt = page.get_by_label("Your question")
    prompt.fill("a draft")
    for key, value in [("Up", "second"), ("Up", "first"), ("Up", "first"), ("Down", "second"), ("Down", "a draft")]:
        prompt.press(f"Arrow{key}")
        expect(prompt).to_have_value(value)


def test_the_up_key_moves_the_caret_where_it_is_not_on_the_first_line(page: Page, proxy: StandIn) -> None:
    answered(page, proxy, "earlier")
    prompt = page.get_by_label("Your question")
    prompt.press_sequentially("one")
    prompt.press("Shift+Enter")
    prompt.press_sequentially("two")
    prompt.press("ArrowUp")
    expect(prompt).to_have_value("one\ntwo")
    prompt.press("ArrowUp")
    expect(prompt).to_have_value("earlier")


def test_the_up_key_stays_in_a_line_that_is_wrapped(page: Page, proxy: StandIn) -> None:
    answered(page, proxy, "earlier")
    prompt = page.get_by_label("Your question")
    text = "word " * 100
    prompt.fill(text)
    prompt.press("ArrowUp")
    expect(prompt).to_have_value(text)


def test_keys_of_a_composition_neither_send_nor_recall(page: Page, proxy: StandIn) -> None:
    answered(page, proxy, "earlier")
    prompt = page.get_by_label("Your question")
    prompt.fill("にほ")
    for key in ("Enter", "ArrowUp"):
        prompt.dispatch_event("keydown", {"key": key, "isComposing": True, "bubbles": True})
    expect(prompt).to_have_value("にほ")
    expect(page.locator("article")).to_have_count(1)


def test_shift_and_enter_make_a_new_line(page: Page, proxy: StandIn) -> None:
    prompt = page.get_by_label("Your question")
    prompt.press_sequentially("one")
    prompt.press("Shift+Enter")
    prompt.press_sequentially("two")
    prompt.press("Enter")
    assert proxy.answer().request["messages"] == [{"role": "user", "content": "one\ntwo"}]


def test_what_is_entered_during_an_answer_waits_in_the_prompt(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    answer.say("Well")
    expect(last_answer(page)).to_have_text("Well")
    ask(page, "and then?")
    expect(page.get_by_role("status")).to_contain_text("Still answering")
    expect(page.get_by_label("Your question")).to_have_value("and then?")


def test_an_unknown_command_is_told_and_not_sent(page: Page) -> None:
    ask(page, "/dance")
    expect(page.get_by_role("status")).to_contain_text("There is no command /dance: /help lists them.")
    expect(page.locator("article")).to_have_count(0)


def test_a_path_is_a_question_and_not_a_command(page: Page, proxy: StandIn) -> None:
    ask(page, "/etc/hosts is for what?")
    assert proxy.answer().request["messages"] == [{"role": "user", "content": "/etc/hosts is for what?"}]


def test_help_is_shown_after_the_conversation(page: Page, proxy: StandIn) -> None:
    answered(page, proxy, "hi")
    ask(page, "/help")
    expect(page.get_by_label("Help")).to_contain_text("Ctrl+L")
    expect(page.get_by_label("Help")).to_contain_text(f"{proxy.url}v1")


def test_empty_input_is_not_sent(page: Page) -> None:
    ask(page, "   ")
    expect(page.locator("article")).to_have_count(0)
