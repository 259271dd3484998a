"""Reports of evaluations in the browser: listed, with their pictures and the frontier."""

from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.e2e


async def test_a_report_is_shown_with_its_pictures(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/evaluations")
    await page.get_by_role("link", name="monday").click()
    pictures = page.locator("figure img")
    await expect(pictures.first).to_be_visible()
    names = await page.locator("figcaption").all_inner_texts()
    assert "frontier.png" in names
    assert "picture-1.svg" in names
    for number in range(len(names)):
        await pictures.nth(number).scroll_into_view_if_needed()
        await expect(pictures.nth(number)).to_have_js_property("complete", True)
        assert await pictures.nth(number).evaluate("image => image.naturalWidth") > 0
    await expect(page.locator(".report-text")).to_contain_text("pool/auto")
    await visitor.picture("evaluation", whole=True)
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save the whole report").click()
    path = await (await saved.value).path()
    assert path.read_text().lower().startswith("<!doctype html>")


async def test_nothing_keeps_anybody_out(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url, bypass_csp=True)
    page = await visitor.open("/#/evaluations/monday")
    await expect(page.locator("figure img").first).to_be_visible()
    assert await visitor.severe_faults() == []
