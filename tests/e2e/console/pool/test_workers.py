"""Where a change would reach one worker only, the console says so and offers no button for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Route, expect
from service_process import started

pytestmark = pytest.mark.e2e

FAR = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
TREE = {"experts": {"far": FAR}, "store": "sqlite:store.db", "server": {"port": 0}}


async def test_several_workers_offer_no_addition_and_no_pin(tmp_path: Path, visit: Any) -> None:
    async with started(tmp_path, TREE, "--workers", "2") as served:
        visitor = await visit(await served.url())
        page = await visitor.open("/#/add")
        await page.locator("#yaml").fill(f"law: {json.dumps(FAR)}")
        await expect(page.locator(".checked")).to_contain_text("The other workers of this service")
        await expect(page.get_by_role("button", name="Add it")).to_be_disabled()

        async def as_if_ours(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(json={**await answer.json(), "engine": "far"})  # It has no slots.

        await page.route("**/coterie/pool/experts/far", as_if_ours)
        page = await visitor.open("/#/pool/far")
        await expect(page.get_by_role("button", name="Load")).to_be_visible()
        await expect(page.get_by_text("No pins here: The other workers")).to_be_visible()
        await expect(page.get_by_role("button", name="Pin", exact=True)).to_have_count(0)
