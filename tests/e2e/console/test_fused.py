"""Answers of fused experts are coloured, token by token, by who spoke or who was listened to."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import expect
from repository import ROOT
from service_process import started

pytestmark = pytest.mark.e2e
EXAMPLE = ROOT / "examples" / "fused.yaml"
TWO_SKILLS = "What is 53 + 72? Then spell the answer backwards."


def whole() -> dict[str, Any]:
    """The example, whose paths hold from anywhere."""
    text = EXAMPLE.read_text(encoding="utf-8").replace("../experts", str(ROOT / "experts"))
    tree: dict[str, Any] = yaml.safe_load(text)
    return {**tree, "store": "memory"}


async def test_tokens_have_the_colour_of_who_spoke(tmp_path: Path, visit: Any) -> None:
    async with started(tmp_path, whole()) as served:
        visitor = await visit(await served.url())
        page = await visitor.open()
        await visitor.ask(TWO_SKILLS, "zoo-fused")
        assert await visitor.answered() == ["125 ; 521"]
        tokens = page.locator(".tokens").first
        await expect(tokens).to_contain_text("125")
        named = set(await tokens.locator("mark").evaluate_all("all => all.map((one) => one.title)"))
        assert {"arithmetic", "strings"} <= named
        await visitor.picture("chat-fusion-route", whole=True)

        await visitor.ask("What is 12 + 35?", "pool/mot")
        await visitor.answered(2)
        why = page.locator(".why").nth(1)
        await expect(why).to_contain_text("Members")
        await expect(why).to_contain_text("listened to most")
        await visitor.picture("chat-mixture-of-thoughts", whole=True)
