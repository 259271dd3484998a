"""An open chat offers the experts that the pool has now, and keeps what is written and chosen."""

from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.e2e


async def test_experts_that_come_and_go_are_offered_while_the_chat_is_open(
    house: Any, visitor: Any
) -> None:
    page = visitor.page
    visitor.may_complain = True  # The service is away for a while.
    added = page.locator("#model option[value=third]")
    await page.get_by_label("Model", exact=True).select_option("other")
    await page.get_by_label("Question", exact=True).fill("half a question")
    await house.become("tiny", "other", "third")
    await expect(added).to_have_count(1, timeout=20_000)
    await expect(page.locator(".model-card", has_text="third")).to_be_visible()
    await expect(page.get_by_label("Model", exact=True)).to_have_value("other")
    await expect(page.get_by_label("Question", exact=True)).to_have_value("half a question")
    await page.get_by_label("Model", exact=True).select_option("third")
    await house.become("tiny", "other")
    await expect(added).to_have_count(0, timeout=20_000)
    await expect(page.locator("#news")).to_contain_text("third cannot be asked any more.")
