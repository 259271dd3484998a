"""A service that is down, drained or forgets a key: every page says so, and comes back."""

import re
from typing import Any

import pytest
from playwright.async_api import expect
from visitor import KEY

pytestmark = pytest.mark.e2e
PAGES = ("Pool", "Routing", "Add an expert", "Batches", "Evaluations", "Chat")


async def test_pages_opened_while_the_service_is_down_come_when_it_is_back(
    house: Any, visitor: Any
) -> None:
    page = visitor.page
    visitor.may_complain = True  # The browser tells of each call that fails.
    await expect(page.locator(".model-card").first).to_be_visible()
    await house.stop()
    for name in PAGES:
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.locator("#banner")).to_contain_text("The service does not answer")
        await expect(page.locator("main")).to_contain_text("This page comes once")
        await expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    await visitor.picture("away")
    await house.start()
    await expect(page.locator(".model-card").first).to_be_visible(timeout=20_000)
    await expect(page.locator("#banner")).to_be_empty()


async def test_a_pool_that_is_away_is_shown_as_it_was(house: Any, visitor: Any) -> None:
    page = visitor.page
    visitor.may_complain = True
    await page.get_by_role("link", name="Pool", exact=True).click()
    await expect(page.locator("#connection")).to_have_text("live")
    await expect(page.locator("[data-expert=tiny]")).to_be_visible()
    await expect(page.locator(".stale")).to_have_count(0)
    await house.stop()
    await expect(page.locator("#as-of")).to_contain_text(re.compile(r"as of \d?\d:\d\d:\d\d"))
    await expect(page.locator(".stale [data-expert=tiny]")).to_be_visible()
    await expect(page.locator("main")).not_to_contain_text("in flight")
    await expect(page.locator("#banner")).to_contain_text("What is shown is as of")
    await visitor.picture("pool-away")
    await house.start()
    await expect(page.locator("#connection")).to_have_text("live", timeout=20_000)
    await expect(page.locator(".stale")).to_have_count(0)


async def test_the_banner_covers_nothing_of_a_page_that_has_scrolled(
    house: Any, visitor: Any
) -> None:
    page = visitor.page
    visitor.may_complain = True
    for number in (1, 2):
        await visitor.ask(f"say {number}", "tiny")
        await visitor.answered(number)
    await house.stop()
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#banner")).to_contain_text("The service does not answer")
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert await page.evaluate("scrollY") > 0
    banner = await page.locator("#banner").bounding_box()
    begin = await page.get_by_role("button", name="New conversation").bounding_box()
    await visitor.picture("banner")
    assert begin["y"] >= banner["y"] + banner["height"]


async def test_a_question_that_nobody_hears_says_so_in_plain_words(
    house: Any, visitor: Any
) -> None:
    page = visitor.page
    visitor.may_complain = True
    await expect(page.locator(".model-card").first).to_be_visible()
    await house.stop()
    await visitor.ask("say hello", "tiny")
    await visitor.answered()
    await expect(page.locator(".answer-main .fault")).to_contain_text(
        "The service does not answer."
    )
    await house.start()
    await expect(page.locator("#banner")).to_be_empty(timeout=20_000)
    await page.get_by_role("button", name="Ask again").click()
    assert await visitor.answered(2) == ["", "hello"]


async def test_a_drained_gateway_says_so_on_every_page(
    house: Any, visitor: Any, visit: Any
) -> None:
    visitor.may_complain = True  # A readiness of 503 is in the browser's log.
    banner = visitor.page.locator("#banner")
    await house.ask("POST", "/coterie/drain")
    for name in PAGES:
        await visitor.page.get_by_role("link", name=name, exact=True).click()
        await expect(banner).to_contain_text("This gateway is drained")
    later = await visit(house.base_url, key=KEY)
    later.may_complain = True
    page = await later.open("/#/batches")
    await expect(page.locator("#banner")).to_contain_text("This gateway is drained")
    await later.picture("drained")
    await house.ask("DELETE", "/coterie/drain")
    await page.get_by_role("link", name="Chat", exact=True).click()
    await expect(page.locator("#banner")).to_be_empty()


async def test_whoever_signs_in_again_is_where_they_were(house: Any, visit: Any) -> None:
    made = await house.ask("POST", "/coterie/keys", json={"name": "guest"})
    visitor = await visit(house.base_url)
    visitor.may_complain = True
    page = await visitor.open("/#/chat")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("Enter a key")
    await page.get_by_label("API key").fill("schlüssel")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Latin letters")
    await page.get_by_label("API key").fill(made["key"])
    await page.keyboard.press("Enter")
    await visitor.ask("say first", "tiny")
    await visitor.answered()
    await house.ask("DELETE", "/coterie/keys/guest")
    await visitor.ask("say second", "tiny")
    await expect(page.get_by_role("alert")).to_have_text("This key is no longer accepted.")
    await page.get_by_label("API key").fill(KEY)
    await page.keyboard.press("Enter")
    assert await visitor.answered(2) == ["first", ""]
    assert await page.locator(".question").all_inner_texts() == ["say first", "say second"]
    await page.get_by_role("button", name="Ask again").nth(1).click()
    assert await visitor.answered(3) == ["first", "", "second"]
