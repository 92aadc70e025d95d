import re

import pytest
from playwright.sync_api import Locator, Page, expect

from contract.states import ModelState
from tests.page.browser import ask, choose
from tests.page.standin import StandIn, model, running

pytestmark = pytest.mark.browser


def stall(page: Page, name: str) -> Locator:
    return page.locator(".stall").filter(has=page.get_by_role("radio", name=re.compile(rf"^{re.escape(name)}\b")))


@pytest.mark.parametrize("state", ModelState)
def test_each_state_of_a_model_is_shown_in_words(page: Page, proxy: StandIn, state: ModelState) -> None:
    words = "going to sleep" if state is ModelState.SLEEPING else state.value
    proxy.events().event(model("smollm2", state.value), "model")
    expect(stall(page, "smollm2").locator(".state")).to_contain_text(words)
    expect(page.get_by_role("status")).to_contain_text(f"smollm2: {words}")


@pytest.mark.parametrize("state", ["queued", "sleeping", "waking", "draining"])
def test_a_state_that_passes_shows_how_long_it_has_lasted(page: Page, proxy: StandIn, state: str) -> None:
    proxy.events().event(model("smollm2", state, seconds=41.0), "model")
    expect(stall(page, "smollm2").locator(".clock")).to_contain_text("43 s")
    assert "gradient" in stall(page, "smollm2").locator(".lamp").evaluate("lamp => getComputedStyle(lamp).background")


def test_a_starting_model_shows_its_phase_and_how_long_it_has_taken(page: Page, proxy: StandIn) -> None:
    status = model("smollm2", "starting", phase="loading weights", seconds=12.0, usual_seconds=45.0)
    proxy.events().event(status, "model")
    expect(stall(page, "smollm2")).to_contain_text(re.compile(r"starting, loading weights · 1[2-9] s of about 45 s"))
    expect(stall(page, "smollm2").locator(".clock")).to_contain_text("14 s")


def test_a_failed_model_shows_the_reason_and_the_end_of_its_log(page: Page, proxy: StandIn) -> None:
    status = model(
        "smollm2", "failed", reason="exit code 1: CUDA out of memory", log_tail=["loading", "OutOfMemoryError"]
    )
    proxy.events().event(status, "model")
    expect(stall(page, "smollm2")).to_contain_text("exit code 1: CUDA out of memory")
    stall(page, "smollm2").get_by_text("last lines of its log").click()
    expect(stall(page, "smollm2").locator("pre")).to_have_text("loading\nOutOfMemoryError")


def test_an_unavailable_model_shows_what_the_box_lacks(page: Page, proxy: StandIn) -> None:
    status = model("llama3-8b", "unavailable", reason="needs 1 NVIDIA GPU; this box has none")
    proxy.events().event({"models": [model("smollm2"), status]}, "models")
    expect(stall(page, "llama3-8b")).to_contain_text("needs 1 NVIDIA GPU; this box has none")


def test_the_chosen_model_is_the_one_that_is_asked(page: Page, proxy: StandIn) -> None:
    events = proxy.events()
    events.event({"models": [model("smollm2", default_for=["text"]), model("qwen3-4b", "stopped")]}, "models")
    choose(page, "qwen3-4b")
    events.event(model("qwen3-4b", "queued"), "model")
    expect(page.get_by_role("status")).to_contain_text("qwen3-4b: queued")
    ask(page, "hi")
    assert proxy.answer().request["model"] == "qwen3-4b"


def test_a_model_can_be_chosen_by_command(page: Page, proxy: StandIn) -> None:
    proxy.events().event({"models": [model("smollm2"), model("qwen3-4b")]}, "models")
    ask(page, "/model qwen3-4b")
    expect(page.get_by_role("radio", name="qwen3-4b")).to_be_checked()
    ask(page, "/model nonesuch")
    expect(page.get_by_role("status")).to_contain_text('There is no model "nonesuch": smollm2, qwen3-4b.')


def test_a_model_of_another_type_is_shown_but_cannot_be_chosen(page: Page, proxy: StandIn) -> None:
    proxy.events().event({"models": [model("svd", type=["video"]), model("smollm2")]}, "models")
    expect(stall(page, "svd")).to_contain_text("video")
    expect(page.get_by_role("radio", name="svd")).to_be_disabled()
    expect(page.get_by_role("radio", name="smollm2")).to_be_checked()


def test_models_stand_in_groups_by_what_they_are_for(page: Page, proxy: StandIn) -> None:
    models = [model("svd", type=["video"]), model("sdxl", type=["image", "edit"]), model("smollm2")]
    proxy.events().event({"models": models}, "models")
    for group, name in [("Text", "smollm2"), ("Pictures", "sdxl"), ("Other", "svd")]:
        expect(page.get_by_role("group", name=group).get_by_role("radio")).to_have_count(1)
        expect(page.get_by_role("group", name=group)).to_contain_text(name)
    choose(page, "sdxl")
    expect(page.get_by_role("radio", name="sdxl")).to_be_checked()
    expect(page.get_by_role("radio", name="smollm2")).not_to_be_checked()


def test_while_a_model_loads_the_question_shows_its_state(page: Page, proxy: StandIn) -> None:
    events = proxy.events()
    ask(page, "hi")
    events.event(model("smollm2", "starting", phase="loading weights", seconds=3.0), "model")
    expect(page.get_by_role("log")).to_contain_text("smollm2: starting, loading weights")


def test_an_empty_catalogue_is_told_and_nothing_can_be_asked(page: Page, proxy: StandIn) -> None:
    proxy.events().event({"models": []}, "models")
    expect(page.get_by_role("navigation")).to_contain_text("The catalogue is empty")
    ask(page, "hi")
    expect(page.get_by_role("status")).to_contain_text("There is no model to ask yet.")
    expect(page.get_by_label("Your question")).to_have_value("hi")


def test_without_events_the_list_of_models_is_read_again_and_again(page: Page, proxy: StandIn) -> None:
    proxy.serves_events = False
    proxy.events().cut()
    proxy.models = [model("smollm2", "asleep")]
    expect(page.get_by_role("status")).to_contain_text("smollm2: asleep")
    expect(page.get_by_role("status")).to_contain_text("read every few seconds")
    proxy.models = [model("smollm2", "ready")]
    expect(page.get_by_role("status")).to_contain_text("smollm2: ready")


def test_a_proxy_that_goes_away_is_told_and_found_again(page: Page, proxy: StandIn) -> None:
    proxy.events()
    expect(page.get_by_role("status")).to_have_text("smollm2: ready")
    port = proxy.server_port
    proxy.close()
    expect(page.get_by_role("status")).to_contain_text(f"The proxy does not answer at http://127.0.0.1:{port}.")
    ask(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text("The proxy does not answer")
    with running(port) as again:
        again.models = [model("smollm2", "asleep")]
        expect(page.get_by_role("status")).to_have_text("smollm2: asleep")
        page.goto("about:blank")


def test_a_hidden_tab_holds_no_connection_and_a_shown_one_is_up_to_date(page: Page, proxy: StandIn) -> None:
    events = proxy.events()
    show = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(f"Object.defineProperty(document, 'hidden', {{ value: true, configurable: true }}); {show}")
    assert events.was_closed()
    proxy.models = [model("smollm2", "asleep")]
    page.evaluate(f"delete document.hidden; {show}")
    expect(page.get_by_role("status")).to_have_text("smollm2: asleep")


def test_a_proxy_that_falls_silent_is_asked_anew(page: Page, proxy: StandIn) -> None:
    page.clock.install()
    page.reload()
    proxy.events()
    events = proxy.events()
    expect(page.get_by_role("status")).to_have_text("smollm2: ready")
    page.clock.run_for(20_000)
    assert events.was_closed()
    page.clock.run_for(5_000)
    assert not proxy.events().closed.is_set()
