"""Answers that come while another page, conversation or tab is looked at."""

from typing import Any

import pytest
from playwright.async_api import expect
from visitor import KEY, Visitor

pytestmark = pytest.mark.e2e


@pytest.fixture
async def visitor(scripted: Any, visit: Any) -> Visitor:
    one: Visitor = await visit(scripted.base_url, key=KEY)
    await one.open()
    return one


async def second_tab(visitor: Visitor) -> Visitor:
    """Another tab of the same browser, at the same address."""
    tab = Visitor(await visitor.page.context.new_page(), visitor.base_url)
    await tab.page.goto(visitor.page.url)
    return tab


async def test_an_answer_goes_on_while_another_page_is_shown(visitor: Any, upstream: Any) -> None:
    page = visitor.page
    await visitor.ask("hold leaving", "tiny")
    await upstream.saw("began leaving")
    await expect(page.locator(".answer .text")).to_have_text("wörd0")
    await page.get_by_role("link", name="Routing").click()
    await expect(page.get_by_role("heading", name="Routing")).to_be_visible()
    await page.get_by_role("link", name="Chat", exact=True).click()
    # Still coming: it is drawn by the new page, and can be stopped there.
    await expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Routing").click()
    upstream.release("leaving")
    await expect(page.locator("#news")).to_contain_text("tiny has answered")
    await page.get_by_role("link", name="Chat", exact=True).click()
    assert await visitor.answered() == ["wörd0 wörd1 wörd2"]


async def test_a_begun_question_is_there_on_return(visitor: Any) -> None:
    page = visitor.page
    await visitor.ask("say hello", "tiny")
    await visitor.answered()
    await page.get_by_label("Question", exact=True).fill("half of a")
    await page.get_by_role("link", name="Routing").click()
    await page.get_by_role("link", name="Chat", exact=True).click()
    await expect(page.get_by_label("Question", exact=True)).to_have_value("half of a")


async def test_two_conversations_are_answered_at_once(visitor: Any, upstream: Any) -> None:
    page = visitor.page
    await visitor.ask("hold one of two", "tiny")
    await upstream.saw("began one of two")
    await page.get_by_role("button", name="New conversation").click()
    await visitor.ask("say two", "tiny")
    assert await visitor.answered() == ["two"]
    upstream.release("one of two")
    await page.get_by_role("button", name="hold one of two", exact=True).click()
    assert await visitor.answered() == ["wörd0 wörd1 wörd2"]


async def test_two_tabs_lose_nothing_of_one_conversation(visitor: Any, upstream: Any) -> None:
    await visitor.ask("say first", "tiny")
    await visitor.answered()
    other = await second_tab(visitor)
    assert await other.answered() == ["first"]
    await visitor.ask("hold tabs", "tiny")
    await upstream.saw("began tabs")
    await other.ask("say third", "tiny")
    await other.answered(3)
    upstream.release("tabs")
    texts = {"first", "wörd0 wörd1 wörd2", "third"}
    for tab in (visitor, other):
        whole = tab.page.locator(".answer[aria-busy=false]").filter(has_text="wörd2")
        await whole.wait_for()
        assert set(await tab.answered(3)) == texts
    await visitor.page.reload()
    assert set(await visitor.answered(3)) == texts
    assert other.complaints == []


async def test_a_conversation_deleted_in_another_tab_stays_deleted(
    visitor: Any, upstream: Any
) -> None:
    page = visitor.page
    await visitor.ask("hold deleted", "tiny")
    await upstream.saw("began deleted")
    other = await second_tab(visitor)
    remove = other.page.get_by_role("button", name="Delete: hold deleted")
    await remove.click()
    await remove.click()
    await upstream.saw("aborted deleted")
    await expect(page.locator("#news")).to_contain_text("deleted in another tab")
    await expect(page.locator(".welcome")).to_be_visible()
    await expect(page.locator(".conversations li")).to_have_count(0)
    assert await page.evaluate("Object.keys(localStorage).join()") == ""
    assert other.complaints == []


async def test_what_another_tab_has_just_written_is_not_overwritten(visitor: Any) -> None:
    """Also where the browser has not told of it yet: it never tells the tab that writes."""
    page = visitor.page
    await visitor.ask("say first", "tiny")
    await visitor.answered()
    await page.evaluate(
        """() => {
          const [name] = Object.keys(localStorage);
          const kept = JSON.parse(localStorage.getItem(name));
          kept.turns.push({ ...kept.turns[0], id: "theirs", question: "theirs" });
          localStorage.setItem(name, JSON.stringify(kept));
        }"""
    )
    await visitor.ask("say third", "tiny")
    assert await visitor.answered(3) == ["first", "first", "third"]
    await page.reload()
    await visitor.answered(3)
    questions = await page.locator(".question").all_inner_texts()
    assert questions == ["say first", "theirs", "say third"]
