"""The dispatcher: every call is answered, distinct ones once, and nothing that is kept is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.runs.asking.asker import Asker, Retries
from evals.runs.asking.cache import AnswerCache
from evals.runs.asking.line import Line
from evals.runs.asking.wire import Busy, Reply
from experts.errors import ExpertLost, ExpertRefused, ServiceError
from experts.types import Request

VERSIONS = {"a": "1", "b": "1", "c": "2"}
HOSTED = {"a": "a", "b": "b", "c": "c"}


def question(text: str, **body: Any) -> Request:
    messages = [{"role": "user", "content": text}]
    return Request(text, "chat/completions", {"messages": messages, "temperature": 0, **body})


class Wire:
    """Answers after a turn of the loop, or when `gate` opens, or with what `fail` says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.under_way = self.most = 0
        self.gate: asyncio.Event | None = None
        self.fail: Callable[[int], Exception | None] = lambda number: None

    async def __call__(self, expert: str, request: Request) -> Reply:
        self.sent.append((expert, request.id))
        self.bodies.append(dict(request.body))
        number = len(self.sent)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
            if (error := self.fail(number)) is not None:
                raise error
        finally:
            self.under_way -= 1
        message = {"content": f"{expert} {request.id}"}
        return Reply({"choices": [{"message": message}], "n": number}, 1.0)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    made = AnswerCache(tmp_path / "a.sqlite")
    yield made
    made.close()


def asker(wire: Wire, cache: AnswerCache, run: str = "run", **line: int) -> Asker:
    order = Line(HOSTED, line.get("slots", 1), line.get("in_flight", 8))
    return Asker(wire, cache, order, VERSIONS, run, lambda: 0.0, Retries(2, 0.0))


CALLS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=40)


# It writes files: on a busy machine one example may take long.
@settings(max_examples=30, deadline=None)
@given(CALLS, st.integers(1, 3), st.integers(1, 6))
async def test_every_call_is_answered_and_each_distinct_one_sent_once(
    calls: list[tuple[str, int]], slots: int, in_flight: int
) -> None:
    wire = Wire()
    with TemporaryDirectory() as folder:
        cache = AnswerCache(Path(folder) / "a.sqlite")
        own = asker(wire, cache, slots=slots, in_flight=in_flight)
        asked = [own.ask(expert, question(f"q{number}")) for expert, number in calls]
        replies = await asyncio.gather(*asked)
        cache.close()
    # Two experts of one version are one: whoever is asked first answers for both.
    for (expert, number), reply in zip(calls, replies, strict=True):
        said = reply.response["choices"][0]["message"]["content"]
        twins = {"a", "b"} if expert in "ab" else {expert}
        assert said in {f"{twin} q{number}" for twin in twins}
    distinct = {(VERSIONS[expert], number) for expert, number in calls}
    assert len(wire.sent) == len(distinct)
    assert wire.most <= in_flight


async def test_one_expert_after_the_other_the_most_wanted_first(cache: AnswerCache) -> None:
    wire = Wire()
    own = asker(wire, cache, in_flight=2)
    wanted = [("a", 3), ("c", 5)]
    await asyncio.gather(
        *(own.ask(e, question(f"{e}{n}")) for e, count in wanted for n in range(count))
    )
    assert [expert for expert, _ in wire.sent] == ["c"] * 5 + ["a"] * 3


async def test_what_is_kept_is_not_asked_again(cache: AnswerCache) -> None:
    wire = Wire()
    first = await asker(wire, cache, "one").ask("a", question("q"))
    other = asker(wire, cache, "two")
    assert await other.ask("a", question("q")) == first
    assert len(wire.sent) == 1
    assert len(other.counts.cached) == 1
    again = asker(wire, cache, "one")
    await again.ask("a", question("q"))
    assert not again.counts.cached


async def test_one_answer_with_log_probabilities_serves_both(cache: AnswerCache) -> None:
    wire = Wire()
    own = asker(wire, cache)
    plain, fuller = await asyncio.gather(
        own.ask("a", question("q")), own.ask("a", question("q", logprobs=True))
    )
    assert plain == fuller
    assert [body.get("logprobs") for body in wire.bodies] == [True]
    assert await own.ask("a", question("q")) == plain
    turned = await asyncio.gather(
        own.ask("c", question("q", logprobs=True)), own.ask("c", question("q"))
    )
    assert turned[0] == turned[1]
    assert len(wire.sent) == 2


async def test_less_than_what_is_wanted_is_asked_for_again(cache: AnswerCache) -> None:
    wire = Wire()
    own = asker(wire, cache)
    await own.ask("a", question("q"))
    await own.ask("a", question("q", logprobs=True))
    assert len(wire.sent) == 2


@pytest.mark.parametrize(
    "error",
    [
        ExpertLost("lost", expert="a"),
        Busy("busy", expert="a", status=429, body={}),
    ],
)
async def test_what_may_succeed_later_is_tried_again(cache: AnswerCache, error: Exception) -> None:
    wire = Wire()
    wire.fail = lambda number: error if number <= 2 else None
    assert (await asker(wire, cache).ask("a", question("q"))).response["n"] == 3
    wire.fail = lambda number: error
    with pytest.raises(type(error)):
        await asker(wire, cache).ask("a", question("other"))
    assert len(wire.sent) == 6


async def test_a_refusal_is_not_repeated_and_not_kept(cache: AnswerCache) -> None:
    wire = Wire()
    wire.fail = lambda number: ExpertRefused("no", expert="a", status=400, body={})
    own = asker(wire, cache)
    results = await asyncio.gather(
        *(own.ask("a", question("q")) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in results] == [ExpertRefused] * 3
    assert len(wire.sent) == 1
    wire.fail = lambda number: None
    await own.ask("a", question("q"))
    assert len(wire.sent) == 2


async def test_a_call_that_nobody_wants_is_not_sent(cache: AnswerCache) -> None:
    wire = Wire()
    wire.gate = asyncio.Event()
    own = asker(wire, cache, in_flight=1)
    tasks = [asyncio.create_task(own.ask("a", question(f"q{n}"))) for n in range(3)]
    while not wire.sent:
        await asyncio.sleep(0)
    tasks[1].cancel()
    # The first is under way: what it costs is spent, so that its answer is kept.
    tasks[0].cancel()
    await asyncio.wait(tasks[:2])
    wire.gate.set()
    await tasks[2]
    assert [name for _, name in wire.sent] == ["q0", "q2"]
    await own.ask("a", question("q0"))
    assert Counter(wire.sent).most_common(1)[0][1] == 1


async def test_whoever_still_waits_gets_the_answer(cache: AnswerCache) -> None:
    wire = Wire()
    own = asker(wire, cache)
    first, second = (asyncio.create_task(own.ask("a", question("q"))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).response["n"] == 1


async def test_an_answer_that_cannot_be_kept_ends_the_run(
    cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(new: object) -> None:
        raise ServiceError("no room")

    monkeypatch.setattr(cache, "put", full)
    with pytest.raises(ServiceError, match="no room"):
        await asker(Wire(), cache).ask("a", question("q"))


async def test_closing_gives_up_what_is_under_way(cache: AnswerCache) -> None:
    wire = Wire()
    wire.gate = asyncio.Event()
    own = asker(wire, cache)
    waiting = asyncio.create_task(own.ask("a", question("q")))
    while not wire.sent:
        await asyncio.sleep(0)
    await own.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert wire.under_way == 0


@given(st.integers(0, 50), st.floats(0, 100), st.floats(0, 10))
def test_pauses_grow_and_are_bounded(number: int, asked_s: float, first_s: float) -> None:
    pause = Retries(3, first_s).pause_s(number, asked_s)
    assert 0 <= pause <= 30
    assert pause >= min(30, asked_s)
    assert Retries(3, first_s).pause_s(number + 1, asked_s) >= pause
