"""The newest answer is what is seen: not behind the composer, and not against the reader."""

from typing import Any

import pytest
from playwright.async_api import expect
from visitor import KEY, PHONE

pytestmark = pytest.mark.e2e
SIZES = {"wide": (1280, 860), "phone": PHONE}
LONG = "say " + "\n\n".join(f"paragraph {number}" for number in range(60))
PLACES = """() => {
  const box = (query) => [...document.querySelectorAll(query)].at(-1).getBoundingClientRect();
  const bar = document.querySelector(".bar").getBoundingClientRect();
  return {
    bar: Math.max(bar.bottom, 0),
    question: box(".question").top,
    end: box(".answer-main").bottom,
    composer: box(".composer").top,
  };
}"""


@pytest.mark.parametrize("size", SIZES)
async def test_the_newest_answer_is_not_behind_the_composer(
    scripted: Any, upstream: Any, visit: Any, size: str
) -> None:
    visitor = await visit(scripted.base_url, key=KEY, size=SIZES[size])
    page = await visitor.open()
    for number in range(3):
        await visitor.ask(f"tiny: say short {number}\nother: say short", "pool/vote")
        await visitor.answered(number + 1)
    key = f"following {size}"
    await visitor.ask(f"hold {key}", "tiny")
    await upstream.saw(f"began {key}")
    await expect(page.locator(".answer .text").last).to_have_text("wörd0")
    await visitor.picture(f"chat-following-{size}")
    places = await page.evaluate(PLACES)
    assert places["bar"] <= places["question"] < places["bar"] + 40
    assert places["end"] <= places["composer"]
    # Stop is where Send was.
    await expect(page.get_by_role("button", name="Send")).to_be_hidden()
    await page.locator(".composer").get_by_role("button", name="Stop", exact=True).click()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await upstream.saw(f"aborted {key}")

    await visitor.ask(LONG, "tiny")
    await visitor.answered(5)
    await expect(page.locator(".answer").last.get_by_role("button", name="Copy")).to_be_visible()
    places = await page.evaluate(PLACES)
    assert places["question"] < 0, "the page has followed the answer"
    assert places["end"] <= places["composer"]


async def test_a_reader_who_scrolls_up_is_left_there(scripted: Any, visit: Any) -> None:
    visitor = await visit(scripted.base_url, key=KEY)
    page = await visitor.open()
    await visitor.ask(LONG, "tiny")
    await visitor.answered()
    moved = await page.evaluate(
        """async () => {
          const { Follower } = await import("/console/chat/follow.js");
          const follower = new Follower(document.querySelector(".composer"),
            new AbortController().signal);
          const main = document.querySelector(".answer-main");
          const scrolled = async (by) => {
            const heard = new Promise((done) => addEventListener("scroll", done, { once: true }));
            if (by === null) follower.grown(main);
            else scrollBy({ top: by, behavior: "instant" });
            await heard;
          };
          const grow = () => main.append(Object.assign(document.createElement("p"),
            { textContent: "more" }));
          scrollTo(0, 0);
          follower.begin(document.querySelector(".turn"));
          await scrolled(null);
          const followed = scrollY;
          await scrolled(-300);
          grow();
          follower.grown(main);
          const left = scrollY;
          await scrolled(100_000);
          grow();
          await scrolled(null);
          return [followed > 0, left === followed - 300, scrollY > followed];
        }"""
    )
    assert moved == [True, True, True]
