"""`/docs` in a real browser: the routes, with nothing asked of another host."""

from __future__ import annotations

from browsing import PATIENCE_MS, Playground, listen
from playwright.sync_api import Browser, expect
from server_process import ServerProcess


def test_the_routes_are_listed_by_files_of_the_servers_own(browser: Browser, quick: ServerProcess) -> None:
    context = browser.new_context()
    try:
        shown = Playground(context.new_page(), quick.url)
        listen(context, shown)
        shown.page.goto(f"{quick.url}/docs")
        for path in ("/v1/generate", "/v2/models"):
            route = shown[".opblock"].filter(has_text=path)
            expect(route.first).to_be_visible(timeout=PATIENCE_MS)
        shown.check_requests()
    finally:
        context.close()
