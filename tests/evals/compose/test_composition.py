"""What is replayed is what a service does: router, plan and aggregator made of the pasted lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from aggregators.base import Panel
from aggregators.registry import build as build_aggregator
from evals.compose.ballots import SILENT
from evals.compose.composition import MEANS, Alone, Composition, Escalates, Order, Votes
from evals.compose.predictions import Embedded, fitted_on
from evals.compose.replay import Replay
from evals.compose.report.paste import check_name, outcome_table, sections, text
from experts.errors import ConfigError
from experts.types import Chunk, Request
from orchestrator.config.model import Config, load_config
from orchestrator.request.plan import PanelRules, plan_decision, tradeoff_of
from routers.registry import build as build_router

FIRST = Order(MEANS)
SUBSET = ("sums", "cities", "guesser")
COMPOSITIONS = (
    Composition(("cities",), FIRST, Alone()),
    Composition(SUBSET, Order("knn"), Alone()),
    Composition(SUBSET, Order("kernel", (), 0.5), Alone(0.6)),
    Composition(SUBSET, Order("symbolic_moe"), Alone()),
    Composition((*SUBSET, "slow"), Order("composition"), Alone()),
    Composition((*SUBSET, "slow"), FIRST, Votes(3)),
    Composition((*SUBSET, "slow"), Order("clusters", (("clusters", 8),)), Votes(2)),
    Composition((*SUBSET, "slow"), Order("logistic"), Votes(4, "router")),
    Composition((*SUBSET, "slow"), Order("kernel"), Votes(4, "equal", 0.8)),
    Composition(SUBSET, Order("knn"), Votes(3, "router", 0.9)),
    Composition((*SUBSET, "slow"), Order("kernel"), Escalates(4, 0.85, 0.6)),
    Composition((*SUBSET, "slow"), Order("factors"), Escalates(3, 0.7, 0.0)),
)


class Known:
    """An encoder that knows the questions' vectors."""

    name, dimension = "made", 6

    def __init__(self, pool: Embedded) -> None:
        texts = (query.text for query in pool.matrix.queries)
        self._vectors = dict(zip(texts, pool.vectors, strict=True))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._vectors[one] for one in texts])


class Script:
    """Experts that say what is in the matrix; counts who was asked."""

    deadline, quorum = float("inf"), 1

    def __init__(self, pool: Embedded, row: int) -> None:
        self._said = dict(zip(pool.matrix.experts, pool.matrix.labels[row].tolist(), strict=True))
        self.asked: list[str] = []

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncIterator[Chunk]:
        self.asked.append(expert)
        number = self._said[expert]
        yield Chunk("" if number == SILENT else f"answer {number} by {expert}"[:8], "stop")

    async def embed(self, texts: Sequence[str]) -> None:
        return None

    def tell(self, words: str, **facts: Any) -> None:
        """Nobody listens."""


def pasted(pool: Embedded, composition: Composition, folder: Path) -> Config:
    """A pool's file with the lines that are printed, read as a service reads it."""
    outcomes = folder / "composed.parquet"
    found = sections(composition, pool.matrix.answer, "pool/composed", outcomes)
    remote = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    prices = dict(zip(pool.matrix.experts, pool.matrix.rates.tolist(), strict=True))
    experts = {name: {**remote, "price_usd_per_mtok": price} for name, price in prices.items()}
    file = folder / "pool.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "experts": experts}) + text(found))
    outcome_table(pool, composition).write(outcomes)
    return load_config(file)


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)
async def test_a_service_does_what_was_replayed(
    pool: Embedded, composition: Composition, tmp_path: Path
) -> None:
    config = pasted(pool, composition, tmp_path)
    served = config.compositions["pool/composed"]
    names = tuple(config.experts)
    router = build_router("composed", config.routers["composed"], names, lambda: Known(pool))
    test = pool.take(np.arange(40))
    predicted = fitted_on(pool, test, [composition.order], lambda *words: None)
    played = Replay(test.matrix, predicted).play(composition)
    requests = [
        Request(
            query.id, "chat/completions", {"messages": [{"role": "user", "content": query.text}]}
        )
        for query in test.matrix.queries
    ]
    prices = {name: spec.price_usd_per_mtok for name, spec in config.experts.items()}
    rules = PanelRules("x", served.experts) if served.aggregator else None
    for row, decision in enumerate(router.route(requests)):
        plan = plan_decision(decision, tradeoff_of(served), {}, prices, rules)
        if rules is None:
            asked, spoken = [plan.expert], pool.matrix.experts.index(str(plan.expert))
            assert test.matrix.scores[row, spoken] == played.scores[row]
        else:
            script = Script(pool, row)
            keys = cast(dict[str, Any], served.aggregator)
            aggregator = build_aggregator("here", keys, names)
            panel = cast(Panel, plan.panel)
            chunks = [
                c async for c in aggregator.aggregate(requests[row], panel, cast(Any, script))
            ]
            said = "".join(chunk.text for chunk in chunks)
            asked = script.asked
            # In this pool equal answers have equal scores: 1 where they are right.
            columns = [
                n for n, label in enumerate(test.matrix.labels[row]) if said == f"answer {label}"
            ]
            assert test.matrix.scores[row, columns[0]] == played.scores[row]
        assert Counter(asked).total() == played.calls[row]


@pytest.mark.parametrize("composition", COMPOSITIONS, ids=str)
def test_finalists_are_valid_too(pool: Embedded, composition: Composition, tmp_path: Path) -> None:
    config = pasted(pool, composition, tmp_path)
    wanted = {"pool/composed"}
    if not composition.single:
        wanted |= {"pool/composed-synthesis", "pool/composed-debate"}
    assert set(config.compositions) == wanted


def test_finalists_keep_to_the_calls(pool: Embedded) -> None:
    chosen = Composition(("sums", "cities", "guesser"), Order("knn"), Votes(3))

    def finalists(calls: float) -> dict[str, Any]:
        found = sections(chosen, "text", "pool/a+b", Path("x.parquet"), calls)
        assert list(found["routers"]) == ["a-b"]
        return {name: one["experts"] for name, one in list(found["compositions"].items())[1:]}

    assert finalists(2) == {}
    assert finalists(3) == {"pool/a+b-synthesis": 2}
    assert finalists(4.5) == {"pool/a+b-synthesis": 3, "pool/a+b-debate": 2}


def test_a_name_that_no_composition_can_have() -> None:
    with pytest.raises(ConfigError, match="--name composed: must have two parts"):
        check_name("composed")
    check_name("pool/composed")
