import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.page.browser import ask, last_answer, new_tab
from tests.page.standin import StandIn, model

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>attacked()</script>",
    '<img src=x onerror="attacked()">',
    "<svg onload=attacked()></svg>",
    '<iframe srcdoc="<script>parent.attacked()</script>"></iframe>',
    "![](http://127.0.0.1:1/?q=SECRET) [x](javascript:attacked())",
    "</div></main><style>*{display:none}</style><base href=//evil.example/>",
)

WATCH = "void (window.attacked = () => { window.wasAttacked = true; })"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("step", [1, 1_000])
def test_text_that_looks_like_markup_is_shown_as_it_is(page: Page, proxy: StandIn, text: str, step: int) -> None:
    requests: set[str] = set()
    page.on("request", lambda request: requests.add(request.url))
    page.evaluate(WATCH)
    ask(page, text)
    answer = proxy.answer()
    for start in range(0, len(text), step):
        answer.say(text[start : start + step])
    answer.finish()
    expect(last_answer(page)).to_have_text(text)
    expect(page.locator(".question")).to_have_text(text)
    assert page.evaluate("window.wasAttacked") is None
    assert requests <= {f"{proxy.url}v1/chat/completions", f"{proxy.url}static/icon.svg"}


def test_what_the_manager_tells_is_text_too(page: Page, proxy: StandIn) -> None:
    page.evaluate(WATCH)
    proxy.events().event(
        model("smollm2", "failed", phase=HOSTILE[1], reason=HOSTILE[1], log_tail=[HOSTILE[1]]), "model"
    )
    expect(page.locator(".reason")).to_have_text(HOSTILE[1])
    proxy.refuse(500, HOSTILE[1], HOSTILE[1], HOSTILE[1])
    ask(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text(HOSTILE[1])
    assert page.evaluate("window.wasAttacked") is None


def test_content_that_is_not_text_is_ignored(page: Page, proxy: StandIn) -> None:
    ask(page, "hi")
    answer = proxy.answer()
    for content in ({"type": "img", "props": {"src": "x"}}, ["a", "b"], 7, None):
        answer.say(content)
    answer.event([])
    answer.event({"choices": {}})
    answer.say("Hello.")
    answer.finish()
    expect(last_answer(page)).to_have_text("Hello.")


def test_the_page_hears_of_a_broken_policy(browser: BrowserContext, proxy: StandIn) -> None:
    """The other tests see no complaint: this one sees that a complaint would have been seen."""
    with new_tab(browser) as (page, complaints):
        page.goto(proxy.url)
        with page.expect_console_message():
            page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: '1'}))")
        assert any("Content Security Policy" in complaint for complaint in complaints)


def test_a_wanted_key_is_asked_for_once_and_kept_for_the_session(browser: BrowserContext, proxy: StandIn) -> None:
    proxy.key = "rh-test"
    with new_tab(browser) as (page, complaints):
        page.goto(proxy.url)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Send an API key.")
        page.get_by_label("API key", exact=True).fill("rh-test")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("smollm2: ready")
        expect(dialog).to_have_count(0)
        page.reload()
        expect(page.get_by_role("status")).to_have_text("smollm2: ready")
        ask(page, "hi")
        assert proxy.answer().headers["authorization"] == "Bearer rh-test"
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        assert complaints == []


def test_a_wrong_key_is_asked_for_again(browser: BrowserContext, proxy: StandIn) -> None:
    proxy.key = "rh-test"
    with new_tab(browser) as (page, _):
        page.goto(proxy.url)
        page.get_by_label("API key", exact=True).fill("rh-wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_label("API key", exact=True)).to_have_value("")
        page.get_by_label("API key", exact=True).fill("rh-test")
        page.get_by_role("button", name="use it").click()
        expect(page.get_by_role("status")).to_have_text("smollm2: ready")


def test_who_gives_no_key_is_told_and_asked_again_only_by_an_own_question(
    browser: BrowserContext, proxy: StandIn
) -> None:
    proxy.key = "rh-test"
    proxy.models = [model("smollm2")]
    with new_tab(browser) as (page, _):
        page.goto(proxy.url)
        page.get_by_role("button", name="not now").click()
        expect(page.get_by_role("status")).to_contain_text("Send an API key. Without a key, models stay hidden.")
        expect(page.get_by_role("dialog")).to_have_count(0)
