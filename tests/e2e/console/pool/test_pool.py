"""The pool's page on the zoo: slots, queues, rates, the timeline, and what administrators do."""

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import expect
from visitor import PHONE

pytestmark = pytest.mark.e2e


async def asked(pool: Any, *models: str) -> None:
    async with httpx.AsyncClient(base_url=pool.base_url, timeout=60, trust_env=False) as http:
        for model in models:
            body = {"model": model, "messages": [{"role": "user", "content": "What is 12 + 35?"}]}
            answer = await http.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text


async def test_slots_and_moves_are_told_while_they_happen(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/pool")
    await expect(page.locator("#connection")).to_have_text("live")
    slot = page.locator("[data-slot=slot-0]")
    await expect(slot).to_contain_text("of 1.20 GB planned")
    await expect(slot.locator(".parts rect")).not_to_have_count(0)
    absent = page.locator("tr:has-text('not resident')").first
    name = await absent.get_attribute("data-expert")
    assert name is not None
    # More than fit, so that some have to leave.
    await asked(pool, "arithmetic", "units", "logic", "translation", "duo", "generalist", name)
    await expect(page.locator(f"[data-expert={name}]")).to_contain_text("ready in slot-0")
    await expect(slot.locator(".legend")).to_contain_text(name)
    await page.locator(".moves").evaluate("list => (list.parentElement.open = true)")
    moves = page.locator(".moves")
    await expect(moves).to_contain_text(re.compile(rf"{name} loaded in slot-0"))
    await expect(moves).to_contain_text("left in slot-0")
    await expect(page.locator(".lanes .span-there")).not_to_have_count(0)
    await visitor.picture("pool", whole=True)


async def test_an_expert_has_one_colour_wherever_one_begins(pool: Any, visit: Any) -> None:
    hues = []
    for path, there in {"/": ".model-card", "/#/pool": ".lanes", "/#/add": "#yaml"}.items():
        visitor = await visit(pool.base_url)
        page = await visitor.open(path)
        await expect(page.locator(there).first).to_be_visible()
        hues.append(
            await page.evaluate(
                """async () => {
                  const { coloured } = await import("/console/lib/palette.js");
                  const hue = (name) => coloured(document.createElement("i"), name).style.cssText;
                  return ["units", "logic", "strings", "arithmetic"].map(hue);
                }"""
            )
        )
    assert hues[0] == hues[1] == hues[2]
    assert len(set(hues[0])) == 4


async def test_rates_are_drawn_as_they_come(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/pool")
    await expect(page.locator("#connection")).to_have_text("live")
    row = page.locator("[data-expert=arithmetic]")
    await expect(row.locator(".spark")).to_have_count(2)
    await asked(pool, *["arithmetic"] * 8)
    await expect(row.locator(".spark").first).to_have_attribute(
        "aria-label", re.compile(r"arithmetic: [1-9][0-9.]* requests per second now")
    )


async def test_an_experts_page_tells_how_good_and_how_fast_it_is(pool: Any, visit: Any) -> None:
    await asked(pool, "arithmetic")
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/pool")
    await page.locator("[data-expert=arithmetic]").get_by_role("link").click()
    await expect(page.get_by_role("heading", name="arithmetic")).to_be_visible()
    accuracy = page.get_by_role("region", name="Accuracy by task")
    await expect(accuracy.locator("tr", has_text="arithmetic")).to_contain_text("the best")
    await expect(accuracy.locator("tr", has_text="units")).to_contain_text("units")
    await expect(page.locator("body")).to_contain_text("To the first token")
    await visitor.picture("expert", whole=True)


async def test_an_administrator_loads_and_pins(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/pool/logic")
    await page.get_by_role("button", name="Load").click()
    await expect(page.locator("#news")).to_contain_text(re.compile("logic (was loaded|is there)"))
    await page.get_by_role("button", name="Pin", exact=True).click()
    await expect(page.locator(".badge.on")).to_have_text("pinned")
    await page.get_by_role("link", name="← Pool").click()
    await expect(page.locator("[data-slot=slot-0] .legend li", has_text="logic")).to_contain_text(
        "pinned"
    )
    await page.go_back()
    await page.get_by_role("button", name="Unpin").click()
    await expect(page.get_by_role("button", name="Pin", exact=True)).to_be_visible()


async def test_an_administrator_takes_the_gateway_out_and_puts_it_back(
    pool: Any, visit: Any
) -> None:
    visitor = await visit(pool.base_url)
    visitor.may_complain = True  # A readiness of 503 is in the browser's log.
    page = await visitor.open("/#/pool")
    await page.get_by_role("button", name="Drain", exact=True).click()
    await page.get_by_role("button", name="Really take this gateway out?").click()
    await expect(page.locator("#news")).to_contain_text("not ready any more")
    await expect(page.locator("#banner")).to_contain_text("This gateway is drained")
    await page.get_by_role("button", name="End the drain").click()
    await expect(page.get_by_role("button", name="Drain", exact=True)).to_be_visible()
    await expect(page.locator("#banner")).to_be_empty()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_nothing_keeps_anybody_out(pool: Any, visit: Any, dark: bool) -> None:
    visitor = await visit(pool.base_url, dark=dark, bypass_csp=True)
    page = await visitor.open("/#/pool")
    await expect(page.locator("#connection")).to_have_text("live")
    await expect(page.locator(".lanes")).to_be_visible()
    assert await visitor.severe_faults() == []
    await page.locator("[data-expert=units]").get_by_role("link").click()
    await expect(page.get_by_role("region", name="Accuracy by task")).to_be_visible()
    assert await visitor.severe_faults() == []
    await visitor.picture(f"expert-{'dark' if dark else 'light'}", whole=True)


async def test_a_phone_shows_it_without_sideways_scrolling(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url, size=PHONE, has_touch=True, is_mobile=True)
    page = await visitor.open("/#/pool")
    await expect(page.locator(".lanes")).to_be_visible()
    widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
    await visitor.picture("phone-pool", whole=True)


async def test_the_narrowest_phone_breaks_no_words(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url, size=(320, 640), has_touch=True, is_mobile=True)
    page = await visitor.open("/#/pool/units")
    await expect(page.get_by_role("region", name="Accuracy by task").first).to_be_visible()
    # A heading of one word is one line high.
    heights = await page.evaluate(
        """() => ["Task", "Asked"].map((words) => {
          const cell = [...document.querySelectorAll("th")].find((one) => one.innerText === words);
          const range = document.createRange();
          range.selectNodeContents(cell);
          return range.getClientRects().length;
        })"""
    )
    assert heights == [1, 1]
    links = await page.locator("#pages a").evaluate_all(
        "all => all.every((one) => one.getBoundingClientRect().right <= innerWidth)"
    )
    assert links, "every page can be seen to be there"
    widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
    await visitor.picture("phone-expert", whole=True)
