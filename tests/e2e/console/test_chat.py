"""Chat on the zoo: answers with their reasons, side by side, and conversations that stay."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.e2e
SUM = "What is 12 + 35?"


async def test_an_answer_says_who_gave_it_and_why(service: Any, visit: Any) -> None:
    visitor = await visit(service.base_url)
    page = await visitor.open()
    await expect(page.locator(".model-card").first).to_be_visible()
    await visitor.picture("chat-welcome")
    await visitor.ask(SUM, "pool/auto")
    assert await visitor.answered() == ["47"]
    answer = page.locator(".answer")
    await expect(answer.locator(".answer-name")).to_contain_text("answered by arithmetic")
    why = answer.get_by_role("group", name="Why")
    await expect(why).to_contain_text("nearest probe questions")
    await expect(why.locator(".meters li").first).to_contain_text("arithmetic")
    await expect(why.locator(".near li")).to_have_count(3)
    # The record of the request comes a moment after its answer.
    await expect(why.locator(".timeline span")).not_to_have_count(0)
    await expect(why.locator(".legend").first).to_contain_text("routing")
    await visitor.picture("chat-why", whole=True)
    await answer.get_by_role("button", name="Why?").click()
    await expect(why).to_be_hidden()


async def test_the_same_question_again_and_side_by_side(service: Any, visit: Any) -> None:
    visitor = await visit(service.base_url)
    page = await visitor.open()
    await visitor.ask(SUM, "geography")
    (wrong,) = await visitor.answered()
    assert wrong != "47"
    again = page.locator(".answer").first.locator(".again")
    await again.get_by_label("with").select_option("pool/auto")
    await again.get_by_role("button", name="Ask again").click()
    assert await visitor.answered(2) == [wrong, "47"]
    # The conversation goes on from the answer that was asked for last.
    await expect(page.get_by_role("radio").nth(1)).to_be_checked()
    # The zoo's experts know no conversations.
    await page.get_by_role("button", name="New conversation").click()
    await visitor.ask("What is 20 + 30?", "arithmetic", beside="pool/auto")
    assert await visitor.answered(2) == ["50", "50"]
    await visitor.picture("chat-side-by-side", whole=True)


async def test_a_panel_opens_what_its_members_said(service: Any, visit: Any) -> None:
    visitor = await visit(service.base_url)
    page = await visitor.open()
    await visitor.ask(SUM, "pool/plurality")
    await visitor.answered()
    why = page.locator(".why")
    await expect(why).to_contain_text("Votes")
    await expect(why.locator(".said li")).not_to_have_count(0)
    chip = page.locator(".chip", has_text=re.compile("^arithmetic$"))
    await expect(why.locator(".said li").filter(has=chip)).to_contain_text("47")
    await expect(why.locator(".calls li")).not_to_have_count(0)
    await visitor.picture("chat-panel", whole=True)


async def test_conversations_stay_in_the_browser(service: Any, visit: Any) -> None:
    visitor = await visit(service.base_url)
    page = await visitor.open()
    await visitor.ask(SUM, "arithmetic")
    await visitor.answered()
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator(".welcome")).to_be_visible()
    await visitor.ask("What is the capital of Norway?", "geography")
    await visitor.answered()
    await page.reload()
    assert (await visitor.answered())[0].startswith("Oslo")
    entries = page.locator(".conversations li")
    await expect(entries).to_have_count(2)
    await entries.nth(1).get_by_role("button", name=SUM, exact=True).click()
    await expect(page.locator(".question")).to_have_text(SUM)
    await page.get_by_role("button", name=f"Rename: {SUM}").click()
    await page.get_by_label("New title").fill("A sum")
    await page.keyboard.press("Enter")
    await expect(entries.filter(has_text="A sum")).to_have_count(1)
    remove = page.get_by_role("button", name="Delete: A sum")
    await remove.click()
    await expect(remove).to_have_text("Really?")
    await remove.click()
    await expect(entries).to_have_count(1)
    await expect(page.locator(".welcome")).to_be_visible()


async def test_the_keyboard_is_enough(service: Any, visit: Any) -> None:
    visitor = await visit(service.base_url)
    page = await visitor.open()
    await expect(page.get_by_label("Question", exact=True)).to_be_focused()
    await page.keyboard.type("What is the capital of Norway?")
    await page.keyboard.press("Enter")
    assert (await visitor.answered())[0].startswith("Oslo")
    await page.keyboard.press("Shift+Tab")
    assert await page.evaluate("document.activeElement.closest('.answer') !== null")
