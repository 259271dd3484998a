"""The playground: who would be asked, what another weight would choose, and nobody is asked."""

from collections.abc import Sequence
from typing import Any

import pytest

from experts.types import Request
from routers.base import Decision

URL = "/coterie/route"
SCORES = (("dear", 0.9), ("cheap", 0.7), ("free", 0.2))


class Scores:
    """A router whose scores do not depend on the question, unless that says `strange`."""

    name = "scores"

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        said = [str(request.body["messages"]) for request in requests]
        return [
            Decision(
                "scores",
                SCORES,
                "As ever.",
                {"neighbours": [{"query": "near"}]},
                fallback="abstain" if "strange" in one else None,
                message="I do not know.",
            )
            for one in said
        ]


@pytest.fixture(scope="module")
async def priced(serve: Any, upstream: Any) -> Any:
    remote = {"type": "openai", "base_url": upstream.base_url, "model": "m"}
    prices = {"dear": 10.0, "cheap": 1.0, "free": 0.0}
    return await serve(
        {name: {**remote, "price_usd_per_mtok": price} for name, price in prices.items()},
        {"scores": Scores()},
        compositions={
            "pool/auto": {"router": "scores"},
            "pool/thrifty": {"router": "scores", "quality_weight": 0.5},
            "pool/vote": {"router": "scores", "aggregator": "vote", "experts": 2},
        },
    )


async def asked(gateway: Any, **body: Any) -> dict[str, Any]:
    answer = await gateway.http.post(URL, json={"question": "why?", **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_it_says_who_would_be_asked_and_why_and_asks_nobody(
    priced: Any, upstream: Any
) -> None:
    before = len(upstream.bodies)
    told = await asked(priced, model="pool/auto")
    assert (told["expert"], told["experts"], told["router"]) == ("dear", ["dear"], "scores")
    assert list(told["scores"].items()) == list(SCORES)
    assert told["evidence"] == {"neighbours": [{"query": "near"}]}
    assert told["prices"]["dear"] == 10
    assert told["quality_weight"] == 1
    assert len(upstream.bodies) == before


async def test_every_weight_of_the_price_is_gone_through(priced: Any) -> None:
    choices = (await asked(priced, model="pool/auto"))["choices"]
    # w * 0.2 = (1 - w) * 0.9 between dear and cheap, w * 0.5 = (1 - w) / 10 below.
    assert [(c["expert"], c["from_weight"], c["to_weight"]) for c in choices] == [
        ("free", 0.01, 0.16),
        ("cheap", 0.17, 0.81),
        ("dear", 0.82, 1.0),
    ]


@pytest.mark.parametrize(
    ("model", "weight", "expert"),
    [
        ("pool/auto", 0.5, "cheap"),
        ("pool/auto", 0.1, "free"),
        ("pool/thrifty", None, "cheap"),
        ("pool/thrifty", 1.0, "dear"),
    ],
)
async def test_a_weight_may_be_given_in_place_of_the_compositions(
    priced: Any, model: str, weight: float | None, expert: str
) -> None:
    told = await asked(priced, model=model, quality_weight=weight)
    assert told["expert"] == expert
    assert told["quality_weight"] == (weight or 0.5)


async def test_of_a_panel_all_are_named_and_no_weight_chooses(priced: Any) -> None:
    told = await asked(priced, model="pool/vote")
    assert told["expert"] is None
    assert told["experts"] == ["dear", "cheap"]
    assert (told["aggregator"], told["choices"]) == ("vote", [])


async def test_an_alarm_of_the_guard_is_told(priced: Any) -> None:
    told = await asked(priced, model="pool/auto", question="something strange")
    assert (told["guard"], told["message"]) == ("abstain", "I do not know.")
    assert (told["expert"], told["experts"], told["choices"]) == (None, [], [])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "tiny", "question": "x"}, 400, "nothing is routed"),
        ({"model": "pool/none", "question": "x"}, 404, "does not exist"),
        ({"model": "pool/auto", "question": ""}, 400, "question"),
        ({"model": "pool/auto", "question": "x", "quality_weight": 0}, 400, "quality_weight"),
        ({"model": "pool/auto", "question": "x", "weight": 1}, 400, "weight"),
    ],
)
async def test_what_cannot_be_routed_is_refused_in_words(
    priced: Any, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await priced.http.post(URL, json=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


async def test_a_key_asks_about_its_own_models_alone(serve: Any) -> None:
    keys = {"few": {"key": "secret-few-0123456789", "models": ["pool/auto"]}}
    gateway = await serve(
        server={"api_keys": keys},
        compositions={"pool/auto": {"router": "one"}, "pool/other": {"router": "one"}},
    )
    headers = {"authorization": "Bearer secret-few-0123456789"}
    for model, status in (("pool/auto", 200), ("pool/other", 404)):
        body = {"model": model, "question": "x"}
        assert (await gateway.http.post(URL, json=body, headers=headers)).status_code == status
