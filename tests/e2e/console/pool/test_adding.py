"""An expert is added in the browser: its lines are checked, it is asked, and routing shifts."""

from typing import Any

import httpx
import pytest
from playwright.async_api import expect
from repository import ROOT

pytestmark = pytest.mark.e2e
MODEL = str(ROOT / "experts/zoo/weights/geography")


async def test_from_a_form_to_an_expert_that_is_asked(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url, bypass_csp=True)
    page = await visitor.open("/#/add")
    add = page.get_by_role("button", name="Add it")
    checked = page.locator(".checked")
    await page.get_by_label("Name").fill("geography")
    await expect(checked).to_contain_text("experts.geography.model")
    await expect(add).to_be_disabled()
    await page.get_by_label("Model: a folder").fill("no such folder")
    await expect(checked).to_contain_text("experts.geography.model")
    await page.get_by_label("Model: a folder").fill(MODEL)
    await page.get_by_label("What it is good at").fill("knows capitals: all of them")
    await expect(page.get_by_label("Its lines")).to_have_value(
        f"experts:\n  geography:\n    type: vllm\n    model: {MODEL}\n"
        '    about: "knows capitals: all of them"\n'
    )
    await expect(checked).to_contain_text("expert geography added")
    await page.get_by_label("Its lines").press("Control+End")
    await page.get_by_label("Its lines").press_sequentially("    memory: 3\n")
    await expect(checked).to_contain_text("experts.geography.memory")
    await expect(add).to_be_disabled()
    assert await visitor.severe_faults() == []
    await visitor.picture("add-mistake", whole=True)

    await page.get_by_label("What it is good at").fill("knows capitals and continents")
    await expect(checked).to_contain_text("expert geography added")
    await expect(page.get_by_label("Probe questions")).to_have_value("32")
    await page.get_by_label("Probe questions").fill("40")
    await add.click()
    told = page.locator("#added")
    await expect(told).to_contain_text("geography is in the pool", timeout=120_000)
    await expect(told).to_contain_text("It was asked 40 probe questions; 0 failed.")
    row = told.get_by_role("region", name="Scores by task").locator("tr", has_text="geography")
    await expect(row).to_contain_text("100 %")
    shift = told.get_by_role("region", name="Routing by knn")
    await expect(shift.locator("tr", has_text="geography")).not_to_contain_text("0 %0 %")
    assert await visitor.severe_faults() == []
    await visitor.picture("added", whole=True)

    asked = {"model": "pool/auto", "question": "What is the capital of Norway?"}
    async with httpx.AsyncClient(base_url=pool.base_url, timeout=60) as http:
        before = (await http.post("/coterie/route", json=asked)).json()
    assert before["expert"] != "geography", "the routers decide as before"
    await page.get_by_role("button", name="Let the routers choose it").click()
    await expect(page.locator(".result")).to_contain_text("The routers choose it now.")
    await expect(add).to_be_disabled()  # There is an expert of that name now.
    await page.get_by_label("Its lines").press("End")
    await page.get_by_label("Its lines").press_sequentially(" ")
    await expect(checked).to_contain_text("There is a model `geography` already")
    await page.goto(f"{pool.base_url}/#/routing")
    await page.get_by_label("Question", exact=True).fill("What is the capital of Norway?")
    await expect(page.locator(".verdict")).to_have_attribute("data-expert", "geography")


async def test_what_was_added_can_be_taken_back(pool: Any, visit: Any) -> None:
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/add")
    await page.get_by_label("Name").fill("guest")
    await page.get_by_label("Model: a folder").fill(MODEL)
    await page.get_by_label("Probe questions").fill("-5")
    await page.get_by_role("button", name="Add it").click()
    await expect(page.locator("#probes-fault")).to_contain_text("A whole number, 0 or more")
    await page.get_by_label("Probe questions").fill("0")
    await page.get_by_role("button", name="Add it").click()
    await expect(page.locator("#probes-fault")).to_be_empty()
    await expect(page.locator("#added")).to_contain_text("guest is in the pool", timeout=60_000)
    await page.get_by_role("button", name="Take it back").click()
    await expect(page.locator(".result")).to_contain_text("expert guest removed", timeout=60_000)
    # What was told of one expert goes when another one is added.
    await expect(page.get_by_text("Edited by hand.")).to_be_hidden()
    await page.get_by_label("Its lines").press("End")
    await page.get_by_label("Its lines").press_sequentially(" ")
    await expect(page.get_by_text("Edited by hand.")).to_be_visible()
    await page.get_by_label("Name").fill("another")
    await expect(page.locator(".checked")).to_contain_text("expert another added")
    await expect(page.locator(".result")).to_be_empty()
    await expect(page.get_by_text("Edited by hand.")).to_be_hidden()
