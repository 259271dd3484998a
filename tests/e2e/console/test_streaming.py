"""Answers as they come: the first words before the last, what is waited for, and an end by hand."""

from typing import Any

import pytest
from playwright.async_api import expect
from visitor import KEY

pytestmark = pytest.mark.e2e


async def test_words_are_shown_as_they_come(scripted: Any, upstream: Any, visit: Any) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask("hold streaming", "tiny")
    await upstream.saw("began streaming")
    await expect(page.locator(".answer .text")).to_have_text("wörd0")
    await expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    upstream.release("streaming")
    assert await visitor.answered() == ["wörd0 wörd1 wörd2"]


async def test_a_stopped_answer_is_aborted_and_kept(
    scripted: Any, upstream: Any, visit: Any
) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask("hold stopped", "tiny")
    await upstream.saw("began stopped")
    await expect(page.locator(".answer .text")).to_have_text("wörd0")
    await page.get_by_role("button", name="Stop", exact=True).click()
    await upstream.saw("aborted stopped")
    assert await visitor.answered() == ["wörd0"]
    await expect(page.locator(".answer header")).to_contain_text("stopped")
    await page.reload()
    assert await visitor.answered() == ["wörd0"]


async def test_a_stream_that_waits_says_for_what(scripted: Any, upstream: Any, visit: Any) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask("silent waiting", "tiny")
    await upstream.saw("began waiting")
    await expect(page.locator(".waiting")).to_have_text("tiny has the request")
    await visitor.picture("chat-waiting")
    await page.keyboard.press("Escape")
    await upstream.saw("aborted waiting")
    await visitor.ask("other: silent panel\ntiny: say yes", "pool/vote")
    await upstream.saw("began panel")
    await expect(page.locator(".waiting").nth(1)).to_contain_text("1 of 2 answered")
    upstream.release("panel")
    await visitor.answered(2)
    await expect(page.locator(".why").nth(1)).to_contain_text("Votes")


async def test_a_debate_opens_its_rounds(scripted: Any, visit: Any) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask("tiny: say yes\nother: say no", "pool/debate")
    await visitor.answered()
    why = page.locator(".why")
    await expect(why.get_by_role("heading", name="First answers")).to_be_visible()
    await expect(why.get_by_role("heading", name="Round 1")).to_be_visible()
    await expect(why.locator(".said li")).to_have_count(4)
    await expect(why.locator(".timeline")).to_be_visible()
    await visitor.picture("chat-debate", whole=True)


async def test_an_error_is_told_in_the_services_words(
    scripted: Any, upstream: Any, visit: Any
) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask("cut-error", "tiny")
    await visitor.answered()
    await expect(page.locator(".answer-main .fault")).to_contain_text("tiny")
    why = page.get_by_role("group", name="Why")
    await expect(why.get_by_role("heading", name="What failed")).to_be_visible()
    await expect(why.locator("dt", has_text="Request")).to_be_visible()


async def test_a_very_long_question_is_folded(scripted: Any, visit: Any) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask("tiny: say yes\n" + "abcdefgh " * 11_111, "tiny")
    await visitor.answered()
    assert await page.evaluate("document.documentElement.scrollHeight") < 4000
    await page.get_by_text("All 100,013 characters").click()
    await expect(page.locator(".question-rest .whole")).to_contain_text("abcdefgh")
