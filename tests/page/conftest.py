from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.page.browser import chromium, new_tab
from tests.page.standin import StandIn, running

LOAD_MS = 120_000  # beside engines that load, a browser may be slow to begin

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
        page.goto(proxy.url)
        state = page.get_by_role("status")
        expect(state, f"the page told: {complaints}").to_have_text("smollm2: ready", timeout=LOAD_MS)
        yield page
        assert complaints == []
