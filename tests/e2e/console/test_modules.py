"""What the console's modules make of texts, streams and a full storage, in the browser itself."""

from typing import Any

import pytest

pytestmark = pytest.mark.e2e
MARKDOWN = {
    "# Title\ntext *soft* and **strong _both_**": (
        "<h4>Title</h4><p>text <em>soft</em> and <strong>strong <em>both</em></strong></p>"
    ),
    "2 * 3 * 4, snake_case_name, 5 < 6 & `a < b`": (
        "<p>2 * 3 * 4, snake_case_name, 5 &lt; 6 &amp; <code>a &lt; b</code></p>"
    ),
    "- one\n- two\n  - three\n\n1. first\n2. second": (
        "<ul><li>one</li><li>two<ul><li>three</li></ul></li></ul>"
        "<ol><li>first</li><li>second</li></ol>"
    ),
    "```python\nx = 1 < 2\n```\nafter": "<pre><code>x = 1 &lt; 2</code></pre><p>after</p>",
    "> said\n> twice": "<blockquote><p>said<br>twice</p></blockquote>",
    "| a | b |\n|---|--:|\n| 1 | 2 |": (
        "<div><table><thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>"
    ),
    "[x](https://a.example/b) https://c.example/d.": (
        "<p><a>x</a> <a>https://c.example/d</a>.</p>"
    ),
    "[x](javascript:alert(1)) <b>bold</b>": (
        "<p>[x](javascript:alert(1)) &lt;b&gt;bold&lt;/b&gt;</p>"
    ),
    r"\*not\* \`code\`": "<p>*not* `code`</p>",
    "It was\n1986. A year": "<p>It was<br>1986. A year</p>",
}
HEAVY = {
    "stars": "*a " * 300_000,
    "brackets": "[" * 900_000,
    "ticks": "`x ``" * 200_000,
    "quotes": "> " * 400_000,
    "items": "- a\n" * 50_000,
    "fence": "```" + " " * 900_000 + "`",
    "heading": "# " + " " * 900_000 + "x",
    "table": "|a" * 300_000 + "\n|-\n" + "|b" * 300_000,
    "address": "http://a" + "." * 900_000 + "x",
    "paragraphs": "**a " * 300 + "\n\n" * 200_000,
}
SECONDS = 5
RENDER = """async (text) => {
  const { markdown } = await import("/console/lib/markdown.js");
  const root = document.createElement("div");
  root.append(...markdown(text));
  for (const node of root.querySelectorAll("*")) {
    for (const name of node.getAttributeNames()) node.removeAttribute(name);
  }
  return root.innerHTML;
}"""


@pytest.fixture(scope="module")
async def page(scripted: Any, browser: Any) -> Any:
    opened = await browser.new_page()
    await opened.goto(scripted.base_url)
    yield opened
    await opened.close()


@pytest.mark.parametrize("text", MARKDOWN)
async def test_markdown_becomes_nodes(page: Any, text: str) -> None:
    assert await page.evaluate(RENDER, text) == MARKDOWN[text]


@pytest.mark.parametrize("kind", HEAVY)
async def test_no_text_takes_long(page: Any, kind: str) -> None:
    took_ms = await page.evaluate(
        """async (text) => {
          const { markdown } = await import("/console/lib/markdown.js");
          const began = performance.now();
          markdown(text);
          return performance.now() - began;
        }""",
        HEAVY[kind],
    )
    assert took_ms < 1000 * SECONDS


async def test_a_stream_may_be_cut_anywhere(page: Any) -> None:
    raw = ': loading x 1s\n\ndata: {"a": 1}\r\n\r\ndata: b\ndata: ü\n\n:x-one 1\n\ndata: [DONE]\n\n'
    found = await page.evaluate(
        """async (raw) => {
          const { EventParser } = await import("/console/lib/events.js");
          const all = [];
          for (let size = 1; size <= raw.length; size++) {
            const parser = new EventParser();
            const events = [];
            for (let at = 0; at < raw.length; at += size) {
              events.push(...parser.push(raw.slice(at, at + size)));
            }
            all.push(JSON.stringify(events));
          }
          return [...new Set(all)];
        }""",
        raw,
    )
    assert found == [
        '[{"comment":"loading x 1s"},{"data":"{\\"a\\": 1}"},{"data":"b\\nü"},'
        '{"comment":"x-one 1"},{"data":"[DONE]"}]'
    ]


async def test_a_full_storage_drops_the_oldest_conversations(page: Any) -> None:
    kept, newest, messages = await page.evaluate(
        """async () => {
          const { Conversations, messagesOf } = await import("/console/chat/conversations.js");
          const conversations = new Conversations();
          let last;
          for (let number = 0; number < 70; number++) {
            last = conversations.begin(["tiny"]);
            const answers = [{ text: "x" }, { text: "a".repeat(90_000) }];
            last.turns.push({ question: `question ${number}`, answers, chosen: 1 });
            conversations.save(last);
          }
          last.turns.push({ question: "failed", answers: [{ text: "" }], chosen: 0 });
          const turn = { question: "next", answers: [], chosen: 0 };
          last.turns.push(turn);
          const all = conversations.all();
          localStorage.clear();
          return [all.length, all[0].title, messagesOf(last, turn)];
        }"""
    )
    assert 10 < kept < 50
    assert newest == "question 69"
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"][:2] == "aa"
    assert messages[2]["content"] == "next"


async def test_two_versions_of_a_conversation_are_put_together(page: Any) -> None:
    joined, news, again = await page.evaluate(
        """async () => {
          const { adopt } = await import("/console/chat/merge.js");
          const answer = (key, state, text) => ({ key, state, text });
          const turn = (id, ...answers) => ({ id, answers, chosen: 0 });
          const left = answer("a", "left", "half");
          const mine = { title: "old", turns: [
            turn("1", answer("a", "done", "whole")),
            turn("2", answer("b", "left", "ha")),
            turn("4", answer("d", "running", "")),
          ] };
          mine.turns[0].chosen = 0;
          const theirs = { title: "new", turns: [
            turn("1", left, answer("x", "done", "other")),
            turn("2", answer("b", "done", "half of it")),
            turn("3", answer("c", "done", "theirs")),
          ] };
          theirs.turns[0].chosen = 1;
          const news = adopt(mine, theirs, { follow: true });
          const told = mine.turns.map(({ id, chosen, answers }) =>
            [id, chosen, ...answers.map(({ text }) => text)].join(" "));
          return [[mine.title, ...told], news, adopt(mine, theirs, { follow: true })];
        }"""
    )
    assert joined == ["new", "1 1 whole other", "2 0 half of it", "3 0 theirs", "4 0 "]
    assert (news, again) == (True, False)


async def test_a_held_expert_is_asked_by_those_that_do_not_choose_by_its_scores(page: Any) -> None:
    none, one = await page.evaluate(
        """async () => {
          const { untilThen } = await import("/console/pages/add/verdict.js");
          const opinions = (considered) => ({
            compositions: [
              { composition: "pool/auto", considered: false },
              { composition: "pool/random", considered },
            ],
          });
          return [untilThen(opinions(false)), untilThen(opinions(true))];
        }"""
    )
    assert none == "Until then it is asked by its name only."
    assert one == "Until then it is asked by its name, and by pool/random."
