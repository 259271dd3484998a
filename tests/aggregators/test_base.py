"""No aggregator asks more often than it says beforehand."""

from collections import Counter
from itertools import count
from typing import Any

import pytest
from scripted_ask import ScriptedAsk, said

from aggregators.base import Panel, most_calls
from aggregators.registry import AGGREGATORS, make
from aggregators.second_opinion import SecondOpinion
from experts.errors import ExpertError
from experts.types import Request

PANELS = [
    Panel(("a",), scores={"a": 0.6}),
    Panel(("a", "b", "c"), "lead", {"a": 0.6, "b": 0.5, "c": 0.4}),
    Panel(("a", "a", "b", "a"), None, {"a": 0.3, "b": 0.2}),
    Panel(("b", "a"), None, {"b": 0.95, "a": 0.9}),
]
KEYS: list[dict[str, Any]] = [
    # A likelihood answers no question; its own tests count its calls.
    *({"type": kind} for kind in AGGREGATORS if kind != "likelihood"),
    {"type": "vote", "samples": 3, "chunk": 2},
    {"type": "synthesize", "layers": 3, "samples": 2, "expert": "b"},
    {"type": "synthesize", "method": "pick"},
    {"type": "rank", "samples": 2, "comparisons": "bubble", "judge": "b"},
    {"type": "rank", "method": "grade"},
    {"type": "rank", "method": "likelihood"},
    {"type": "cascade", "signal": "agreement", "samples": 4, "last": "lead"},
    {"type": "cascade", "signal": "self_check", "experts": ["a", "b"], "accept": 1.0},
    {"type": "strategy", "panel": {"type": "vote", "samples": 2}},
    {"type": "strategy", "single_at": 1.0, "verify_at": 0.1},
    {"type": "debate", "rounds": 3, "samples": 2, "discussants": ["a"]},
    {"type": "debate", "rounds": 1, "subtopics": 2, "depth": 2, "moderator": "b"},
    {"type": "judged_debate", "rounds": 2, "judge": "a"},
]


def _ask(kind: str) -> ScriptedAsk:
    """Experts that all say the same, never say the same twice, or fail now and then."""
    numbers = count()

    def script(request: Request) -> Any:
        number = next(numbers)
        if kind == "failing" and number % 3 == 2:
            return ExpertError("It failed.", expert="one")
        return "Lima" if kind == "agreeing" else f"town {number}\nvillage {number}"

    return ScriptedAsk(dict.fromkeys(("a", "b", "c", "lead"), script))


@pytest.mark.parametrize("kind", ["agreeing", "differing", "failing"])
@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: "-".join(panel.experts))
@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: "-".join(map(str, keys.values())))
async def test_it_asks_no_more_often_than_it_says(
    keys: dict[str, Any], panel: Panel, kind: str
) -> None:
    ask = _ask(kind)
    try:
        await said(keys, panel, ask)
    except ExpertError:
        assert kind == "failing"

    asked, forecast = Counter(ask.experts), most_calls(make(keys), panel)
    assert asked.total() > 0
    assert asked <= forecast, f"{asked} > {forecast}"


@pytest.mark.parametrize("kind", ["agreeing", "differing"])
@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: "-".join(panel.experts))
@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: "-".join(map(str, keys.values())))
async def test_the_same_request_never_goes_out_twice(
    keys: dict[str, Any], panel: Panel, kind: str
) -> None:
    """It would get the same answer, and count as another one."""
    ask = _ask(kind)
    await said(keys, panel, ask)
    sent = Counter((expert, repr(sorted(request.body.items()))) for expert, request in ask.asked)
    assert set(sent.values()) == {1}


EXACT = [
    ({"type": "vote", "samples": 3}, {"a": 3, "b": 3, "c": 3}),
    ({"type": "synthesize", "layers": 2}, {"a": 2, "b": 2, "c": 2, "lead": 1}),
    ({"type": "rank"}, {"a": 1, "b": 1, "c": 1, "lead": 6}),
    ({"type": "rank", "comparisons": "bubble"}, {"a": 1, "b": 1, "c": 1, "lead": 4}),
    ({"type": "rank", "method": "grade"}, {"a": 1, "b": 1, "c": 1, "lead": 3}),
    ({"type": "cascade", "signal": "agreement", "samples": 2}, {"a": 2, "b": 2, "c": 1}),
    ({"type": "strategy", "single_at": 0.5}, {"a": 1}),
    ({"type": "debate", "rounds": 2}, {"a": 3, "b": 3, "c": 3}),
    (
        {"type": "debate", "rounds": 1, "subtopics": 2},
        {"a": 7, "b": 7, "c": 7, "lead": 1},
    ),
]


@pytest.mark.parametrize(("keys", "wanted"), EXACT, ids=lambda one: str(one))
async def test_where_nobody_agrees_it_is_what_is_asked(
    keys: dict[str, Any], wanted: dict[str, int]
) -> None:
    ask = _ask("differing")
    await said(keys, PANELS[1], ask)

    assert most_calls(make(keys), PANELS[1]) == Counter(wanted) == Counter(ask.experts)


@pytest.mark.parametrize("lead", [None, "lead"])
async def test_a_second_opinion_may_need_a_third(lead: str | None) -> None:
    panel, second = Panel(("a", "b", "c"), lead), SecondOpinion("I do not know.")
    ask = _ask("differing")
    await said(second, panel, ask)

    assert most_calls(second, panel) == Counter(ask.experts)
    assert len(ask.experts) == (2 if lead is None else 3)


@pytest.mark.parametrize("kind", ["vote", "synthesize", "rank", "debate", "judged_debate"])
async def test_where_all_give_the_same_answer_nothing_more_is_asked(kind: str) -> None:
    """Right or wrong: nobody on the panel knows better, and a lead from outside is no judge."""
    ask = _ask("agreeing")
    assert await said({"type": kind}, PANELS[1], ask) == "Lima"
    assert set(ask.experts) <= {"a", "b", "c"}
    assert len(ask.experts) <= 3
