"""The page whose files do not all come: a machine's network changes whenever an engine starts."""

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.page.browser import new_tab
from tests.page.standin import StandIn

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("file", ["app.js", "view.js", "vendor/preact.js", "style.css"])
def test_a_page_that_lacks_a_file_is_loaded_again(browser: BrowserContext, proxy: StandIn, file: str) -> None:
    proxy.dropped[file] = 2
    with new_tab(browser) as (page, complaints):
        page.goto(proxy.url)
        expect(page.locator("body")).to_have_css("overflow", "hidden")  # without its styles it may be drawn, too
        expect(page.get_by_role("status")).to_have_text("smollm2: ready")
        assert proxy.dropped[file] == 0
        page.wait_for_load_state()
        assert page.evaluate("sessionStorage.length") == 0
        assert complaints == []


def test_a_page_whose_file_never_comes_says_so_after_some_tries(browser: BrowserContext, proxy: StandIn) -> None:
    proxy.dropped["sse.js"] = 1000
    with new_tab(browser) as (page, _):
        page.goto(proxy.url)
        expect(page.locator("#app")).to_contain_text("files do not come from the proxy")
        assert 5 <= 1000 - proxy.dropped["sse.js"] < 20
