"""Signing in: a key that is wrong, one that is right, and where it is kept."""

from typing import Any

import pytest
from playwright.async_api import expect
from visitor import KEY

pytestmark = pytest.mark.e2e


async def test_a_key_is_asked_for_tried_and_forgotten(scripted: Any, visit: Any) -> None:
    visitor = await visit(scripted.base_url)
    page = await visitor.open()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await visitor.picture("sign-in")
    await page.get_by_label("API key").fill("sk-wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not known")
    await page.get_by_label("API key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Question", exact=True)).to_be_focused()

    # In this tab alone: neither on the disk nor in a cookie.
    kept = await page.evaluate("[Object.values(sessionStorage), Object.values(localStorage)]")
    assert kept[0] == [KEY]
    assert KEY not in str(kept[1])
    assert await page.context.cookies() == []
    await page.reload()
    await visitor.ask("say hello", "tiny")
    assert await visitor.answered() == ["hello"]

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0
    # A browser reports each 401 by itself.
    visitor.may_complain = True
    assert [one for one in visitor.complaints if "401" not in one] == []
