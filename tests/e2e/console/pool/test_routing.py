"""The playground for routing: it decides as one types, and asks no expert."""

from typing import Any

import httpx
import pytest
from playwright.async_api import expect
from visitor import PHONE

pytestmark = pytest.mark.e2e
QUESTION = "How many metres are 3 kilometres?"


async def _answered(pool: Any) -> int:
    async with httpx.AsyncClient(base_url=pool.base_url, trust_env=False) as http:
        page = (await http.get("/metrics")).text
    counted = [line for line in page.splitlines() if line.startswith("coterie_calls_total")]
    return sum(int(float(line.split()[-1])) for line in counted)


async def test_who_would_be_asked_is_shown_as_one_types(pool: Any, visit: Any) -> None:
    before = await _answered(pool)
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/routing")
    question = page.get_by_label("Question", exact=True)
    await expect(question).to_be_focused()
    await question.press_sequentially(QUESTION, delay=5)
    verdict = page.locator(".verdict")
    await expect(verdict).to_have_attribute("data-expert", "units")
    await expect(page.locator(".neighbours li")).not_to_have_count(0)
    await expect(page.locator(".meters .strong")).to_contain_text("units")
    await visitor.picture("routing", whole=True)
    await question.fill("Reverse the word fox.")
    await expect(verdict).to_have_attribute("data-expert", "strings")
    await page.get_by_label("Composition").select_option("pool/vote")
    await expect(verdict).to_contain_text("vote makes one answer of theirs")
    assert await _answered(pool) == before


async def test_another_weight_of_the_price_chooses_another_expert(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/routing")
    await page.get_by_label("Question", exact=True).fill(QUESTION)
    choices = page.locator(".choices li")
    await expect(choices.last).to_contain_text("units")
    await expect(choices.first).to_contain_text("arithmetic")
    await page.get_by_label("as configured").uncheck()
    weight = page.get_by_label("Weight of quality against price")
    await weight.focus()
    await page.keyboard.press("Home")
    await expect(page.locator(".verdict")).to_have_attribute("data-expert", "arithmetic")
    await expect(page.locator("#weight-told")).to_contain_text("0.01 quality")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_nothing_keeps_anybody_out(pool: Any, visit: Any, dark: bool) -> None:
    visitor = await visit(pool.base_url, dark=dark, bypass_csp=True)
    page = await visitor.open("/#/routing")
    await page.get_by_label("Question", exact=True).fill(QUESTION)
    await expect(page.locator(".verdict")).to_be_visible()
    await page.locator(".result summary").click()
    assert await visitor.severe_faults() == []
    await visitor.picture(f"routing-{'dark' if dark else 'light'}", whole=True)


async def test_a_phone_shows_it_without_sideways_scrolling(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url, size=PHONE, has_touch=True, is_mobile=True)
    page = await visitor.open("/#/routing")
    await page.get_by_label("Question", exact=True).fill(QUESTION)
    await expect(page.locator(".verdict")).to_be_visible()
    widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
    await visitor.picture("phone-routing", whole=True)
