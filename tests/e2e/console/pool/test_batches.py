"""A batch in the browser: uploaded, watched, and its answers fetched."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.e2e
SUMS = {f"What is {n} + 30?": str(n + 30) for n in range(10, 34)}


def _write_lines(path: Path, model: str = "pool/auto") -> None:
    lines = [
        {
            "custom_id": str(number),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": question}]},
        }
        for number, question in enumerate(SUMS)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


async def test_from_a_file_to_its_answers(pool: Any, visit: Any, tmp_path: Path) -> None:
    _write_lines(tmp_path / "sums.jsonl")
    visitor = await visit(pool.base_url, bypass_csp=True)
    page = await visitor.open("/#/batches")
    await page.get_by_label("File of requests").set_input_files(tmp_path / "sums.jsonl")
    await page.get_by_role("button", name="Start the batch").click()
    card = page.locator(".batch").first
    await expect(card).to_contain_text("24 of 24 requests", timeout=60_000)
    await expect(card.locator(".badge")).to_have_text("completed")
    assert await visitor.severe_faults() == []
    await visitor.picture("batches", whole=True)
    async with page.expect_download() as fetched:
        await card.get_by_role("button", name="Answers").click()
    path = await (await fetched.value).path()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    said = {
        row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"]
        for row in rows
    }
    right = [said[str(number)] == answer for number, answer in enumerate(SUMS.values())]
    assert sum(right) >= len(right) - 1
    await expect(card.get_by_role("heading")).to_have_text("sums.jsonl")
    await card.get_by_role("button", name="Delete its files").click()
    await card.get_by_role("button", name="Really delete all 2?").click()
    await expect(card).to_contain_text("Its files were deleted.")
    async with httpx.AsyncClient(base_url=pool.base_url) as http:
        listed = (await http.get("/v1/files")).json()["data"]
    assert "sums.jsonl" not in [file["filename"] for file in listed]


async def test_a_batch_whose_lines_all_failed_is_no_success(
    pool: Any, visit: Any, tmp_path: Path
) -> None:
    _write_lines(tmp_path / "nobody.jsonl", model="nobody")
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/batches")
    await page.get_by_label("File of requests").set_input_files(tmp_path / "nobody.jsonl")
    await page.get_by_role("button", name="Start the batch").click()
    badge = page.locator(".batch").first.locator(".badge")
    await expect(badge).to_have_text("ended: none was answered", timeout=30_000)


async def test_a_file_that_is_wrong_is_told_with_its_line(
    pool: Any, visit: Any, tmp_path: Path
) -> None:
    _write_lines(tmp_path / "wrong.jsonl")
    first = (tmp_path / "wrong.jsonl").read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "wrong.jsonl").write_text(f"{first}\n{first}\n", encoding="utf-8")
    visitor = await visit(pool.base_url)
    page = await visitor.open("/#/batches")
    await page.get_by_label("File of requests").set_input_files(tmp_path / "wrong.jsonl")
    await page.get_by_role("button", name="Start the batch").click()
    card = page.locator(".batch").first
    await expect(card.locator(".badge")).to_have_text("failed", timeout=30_000)
    await expect(card).to_contain_text("line 2")
