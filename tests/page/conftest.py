from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.page.browser import chromium, condition, new_tab
from tests.page.standin import StandIn, running

LOAD_MS = 60_000  # beside engines that load, a browser may be slow to begin

expect.set_options(timeout=30_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[BrowserContext]:
    """One browser for all tests of the page; its event loop is gone before tests of other folders run theirs."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def proxy() -> Iterator[StandIn]:
    with running() as server:
        yield server


@pytest.fixture
def page(browser: BrowserContext, proxy: StandIn) -> Iterator[Page]:
    """A tab on the stand-in, which has one ready model. At the test's end it must have had no complaints."""
    with new_tab(browser) as (page, complaints):
        failures: list[str] = []
        page.on("requestfailed", lambda request: failures.append(f"{request.url}: {request.failure}"))
        page.goto(proxy.url)
        try:
            expect(page.get_by_role("status")).to_have_text("smollm2: ready", timeout=LOAD_MS)
        except AssertionError as error:
            error.add_note(f"{condition(page)}; complaints: {complaints}; requests that failed: {failures}")
            raise
        yield page
        assert complaints == []
