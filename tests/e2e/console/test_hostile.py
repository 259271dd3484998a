"""Answers that want to be more than text: none of them runs, loads, or turns the page around."""

from typing import Any

import pytest
from playwright.async_api import expect
from visitor import KEY

pytestmark = pytest.mark.e2e
RUN = "window.ran=true"
HOSTILE = {
    "script": f"<script>{RUN}</script>",
    "image": f'<img src="x" onerror="{RUN}"> ![a](https://evil.example/x.png)',
    "link": f"[press](javascript:{RUN}) [it](data:text/html,<b>x</b>) <javascript:{RUN}>",
    "textarea": f"</textarea></div></article><script>{RUN}</script><!--",
    "frame": f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe><svg onload="{RUN}">',
    "style": "<style>body{display:none}</style><div style='position:fixed;inset:0'>over all</div>",
    "template": "${7+7} {{7+7}} `${alert(1)}`",
    "turned": "safe \u202egnp.exe\u202c \u2066isolated\u2069",
    "markdown": "**" * 5000 + "[" * 5000 + "`" * 5000,
}


@pytest.fixture
async def visitor(scripted: Any, visit: Any) -> Any:
    one = await visit(scripted.base_url, key=KEY)
    await one.open()
    return one


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_answer_is_text(visitor: Any, kind: str) -> None:
    await visitor.ask(f"say {HOSTILE[kind]}", "tiny")
    (text,) = await visitor.answered()
    page = visitor.page
    assert not await page.evaluate("window.ran")
    inside = page.locator(".answer .text, .why, .question")
    assert await inside.locator("script, img, iframe, style, svg, [onerror], [onload]").count() == 0
    links = await page.locator(".answer a").evaluate_all("all => all.map(one => one.protocol)")
    assert set(links) <= {"http:", "https:"}
    if kind in ("script", "textarea", "template"):
        assert text == HOSTILE[kind].replace("`${alert(1)}`", "${alert(1)}")
    if kind == "turned":
        assert "\u202e" not in text
        assert "U+202E" in text
    # And so it is when it comes back from where the browser keeps it.
    await page.reload()
    await visitor.answered()
    assert not await page.evaluate("window.ran")


async def test_a_line_of_a_million_characters_does_not_hang_the_page(visitor: Any) -> None:
    await visitor.ask("say " + "abcdefgh " * 111_111, "tiny")
    (text,) = await visitor.answered()
    assert "more characters: Copy has all of them" in await visitor.page.inner_text(".answer .text")
    assert len(text) > 190_000
    await visitor.page.get_by_role("button", name="New conversation").click()
    await visitor.ask("say still here", "tiny")
    assert await visitor.answered() == ["still here"]


async def test_a_panel_of_hostile_members_is_text_as_well(visitor: Any) -> None:
    said = HOSTILE["image"]
    await visitor.ask(f"tiny: say {said}\nother: say {said}", "pool/vote")
    await visitor.answered()
    why = visitor.page.locator(".why")
    await expect(why.locator(".said li")).to_have_count(2)
    await expect(why.locator(".said")).to_contain_text("onerror")
    assert await why.locator("img").count() == 0
    assert not await visitor.page.evaluate("window.ran")


async def test_the_browser_itself_refuses_html_and_scripts(visitor: Any) -> None:
    """The page's policy, in case that a script of ours forgets itself."""
    visitor.may_complain = True  # The browser tells of each.
    refused = await visitor.page.evaluate(
        """() => {
          const tries = [
            () => (document.body.innerHTML = "<b>x</b>"),
            () => document.body.insertAdjacentHTML("beforeend", "<b>x</b>"),
            () => (document.createElement("script").textContent = "window.ran = true"),
          ];
          return tries.map((one) => { try { one(); return false; } catch { return true; } });
        }"""
    )
    assert refused == [True, True, True]
    await visitor.page.evaluate(
        """() => {
          const image = document.createElement("img");
          image.src = "https://evil.example/x.png";
          document.body.append(image);
        }"""
    )
    await visitor.page.wait_for_function(
        "window.violations.some((one) => one === 'img-src https://evil.example/x.png')"
    )
