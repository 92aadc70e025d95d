import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from tests.page.browser import PHONE, ask, choose, last_answer, new_tab
from tests.page.standin import StandIn, model

pytestmark = pytest.mark.browser

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
NARROWEST: ViewportSize = {"width": 320, "height": 568}


def overflows(page: Page) -> bool:
    """Whether anything reaches past the window's side."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth")
    )


@pytest.mark.parametrize("viewport", [PHONE, NARROWEST])
def test_a_phone_shows_everything_without_scrolling_sideways(
    browser: BrowserContext, proxy: StandIn, viewport: ViewportSize
) -> None:
    proxy.models = [model("smollm2"), model("a-" + "very-" * 10 + "long-name", "failed", reason=LONG, log_tail=[LONG])]
    with new_tab(browser, viewport) as (page, complaints):
        page.goto(proxy.url)
        page.get_by_role("button", name="smollm2").click()
        page.get_by_text("last lines of its log").click()
        assert not overflows(page)
        choose(page, "smollm2")
        expect(page.get_by_role("navigation")).to_be_hidden()
        ask(page, LONG)
        answer = proxy.answer()
        answer.say(LONG)
        answer.fail(LONG, "engine_error", "engine")
        expect(page.get_by_role("alert")).to_be_visible()
        assert not overflows(page)
        assert main_is_within(page)
        assert complaints == []


def main_is_within(page: Page) -> bool:
    """Whether the transcript itself has nothing cut off at its side."""
    return bool(
        page.evaluate("(() => { const m = document.querySelector('main'); return m.scrollWidth <= m.clientWidth; })()")
    )


def test_on_a_phone_the_model_is_picked_from_the_header(browser: BrowserContext, proxy: StandIn) -> None:
    proxy.models = [model("smollm2"), model("qwen3-4b", "stopped")]
    with new_tab(browser, PHONE) as (page, _):
        page.goto(proxy.url)
        expect(page.get_by_role("navigation")).to_be_hidden()
        page.get_by_role("button", name="smollm2").click()
        choose(page, "qwen3-4b")
        expect(page.get_by_role("button", name="qwen3-4b")).to_be_visible()
        expect(page.get_by_role("navigation")).to_be_hidden()


def test_the_transcript_follows_the_text_unless_the_reader_scrolled_away(page: Page, proxy: StandIn) -> None:
    ask(page, "count")
    answer = proxy.answer()
    answer.say("\n".join(str(number) for number in range(200)))
    expect(last_answer(page)).to_contain_text("199")
    main = page.get_by_role("main")
    assert main.evaluate("m => m.scrollHeight - m.scrollTop - m.clientHeight < 2")
    main.evaluate(
        "m => new Promise((done) => { m.addEventListener('scroll', done, { once: true }); m.scrollTop = 0; })"
    )
    answer.say("\nmore")
    expect(last_answer(page)).to_contain_text("more")
    assert main.evaluate("m => m.scrollTop") == 0


def test_reduced_motion_stills_the_lamps_and_the_cursor(browser: BrowserContext, proxy: StandIn) -> None:
    proxy.models = [model("smollm2", "starting")]
    with new_tab(browser) as (page, _):
        page.emulate_media(reduced_motion="reduce")
        page.goto(proxy.url)
        ask(page, "hi")
        expect(page.locator(".waiting")).to_be_visible()
        assert page.evaluate("document.getAnimations().length") == 0


def test_the_transcript_is_a_log_that_is_not_read_aloud_and_the_status_is(page: Page) -> None:
    expect(page.get_by_role("log")).to_have_attribute("aria-live", "off")
    expect(page.get_by_role("status")).to_be_visible()
