"""A real Chromium on the page: for these tests, and for tests of the whole stack.

    with open_page("http://127.0.0.1:8080/") as page:
        ask(page, "What is the capital of France?")
        expect(last_answer(page)).to_contain_text("Paris")

Playwright's synchronous interface keeps an event loop in its thread: use it in plain tests, not in asynchronous ones.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Locator, Page, ViewportSize, expect, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
CONDITION = """({
    readyState: document.readyState,
    visibility: document.visibilityState,
    body: document.body?.innerHTML.slice(0, 300),
    files: performance.getEntriesByType("resource").map((file) => [file.name, file.responseStatus, file.duration]),
})"""
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 700}


@contextmanager
def chromium() -> Iterator[BrowserContext]:
    """The system's Chromium, headless, with an empty profile."""
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("the browser tests need chromium: apt-get install -y chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser.new_context()
        finally:
            browser.close()


@contextmanager
def open_page(base_url: str, viewport: ViewportSize = DESKTOP) -> Iterator[Page]:
    """The page at `base_url` in a browser of its own. Raises AssertionError at the end if the page had complaints."""
    with chromium() as context, new_tab(context, viewport) as (page, complaints):
        page.goto(base_url)
        yield page
        assert complaints == []


@contextmanager
def new_tab(context: BrowserContext, viewport: ViewportSize = DESKTOP) -> Iterator[tuple[Page, list[str]]]:
    """A tab with a session storage of its own, and the list that its complaints go to."""
    page = context.new_page()
    page.bring_to_front()
    page.set_viewport_size(viewport)
    complaints = listen(page)
    try:
        yield page, complaints
    finally:
        page.close()


def listen(page: Page) -> list[str]:
    """What the page must never do: uncaught errors, and console errors such as violations of its policy.

    Chromium also writes a console error for every answer with an error status: those are the tests' own doing.
    """
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on("console", lambda line: complaints.append(line.text) if is_complaint(line.type, line.text) else None)
    return complaints


def condition(page: Page) -> str:
    """What a page that does not draw can tell of itself: how far it came, whether it is shown, which files it has."""
    return str(page.evaluate(CONDITION))


def is_complaint(kind: str, text: str) -> bool:
    return kind in {"error", "warning"} and not text.startswith("Failed to load resource:")


def ask(page: Page, text: str) -> None:
    """Writes into the prompt and sends it."""
    page.get_by_label("Your question").fill(text)
    page.get_by_label("Your question").press("Enter")


def choose(page: Page, model: str) -> None:
    """Picks a model by its name."""
    page.locator(f'input[name="model"][value="{model}"]').click()


def last_answer(page: Page) -> Locator:
    """The text of the newest answer."""
    return page.locator("article").last.locator(".answer")


def wait_for_end(page: Page, timeout_ms: float = 60_000) -> None:
    """Until the newest answer is over, however it ended. A question just asked is drawn in the next frame."""
    page.evaluate("new Promise((drawn) => { requestAnimationFrame(drawn); setTimeout(drawn, 300); })")
    expect(page.get_by_role("button", name="send")).to_be_visible(timeout=timeout_ms)
