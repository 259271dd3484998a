"""An expert that was added is asked, its routers learn of it, and the service goes on."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from reloading_service import Reloading, hosted, started

from experts.errors import ConfigError, CoterieError
from orchestrator.config.model import Config
from orchestrator.reload.introducing import Answer, Ask
from orchestrator.server.bodies.reload import Probed

AUTO = {
    "routers": {"fixed": {"type": "static", "expert": "a"}},
    "compositions": {"pool/auto": {"router": "fixed"}},
}


class Asking:
    """Asks a new expert what a test says, and writes a file as a table would be written."""

    def __init__(self) -> None:
        self.scripts = ["say one", "say two"]
        self.answers: list[Answer | CoterieError] = []
        self.counts: list[int] = []
        self.writes: Path | None = None
        self.fails: CoterieError | None = None
        self.looks: Callable[[], Any] = lambda: None
        self.seen: Any = None

    async def __call__(
        self, before: Config, grown: Config, expert: str, count: int, ask: Ask
    ) -> Probed:
        assert expert in grown.experts
        assert expert not in before.experts
        self.counts.append(count)
        self.seen = self.looks()
        if self.fails is not None:
            raise self.fails
        for script in self.scripts:
            body: Mapping[str, Any] = {"messages": [{"role": "user", "content": script}]}
            try:
                self.answers.append(await ask(expert, body))
            except CoterieError as error:
                self.answers.append(error)
        if self.writes is not None:
            self.writes.write_text("another table")
        shares = {"a": 1.0}
        return {
            "asked": len(self.scripts),
            "failed": 0,
            "mean_score": 0.5,
            "tasks": [{"task": "sums", "asked": 2, "mean_score": 0.5}],
            "shifts": [
                {
                    "router": "fixed",
                    "before": shares,
                    "after": shares,
                    "predicted_before": 0.4,
                    "predicted_after": 0.6,
                    "why": "",
                }
            ],
            "why": "",
        }


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
async def served(
    tmp_path: Path, upstream: Any, monkeypatch: pytest.MonkeyPatch, asking: Asking
) -> AsyncIterator[Reloading]:
    tree = {"experts": {"a": hosted("org/a")}, **AUTO}
    path = tmp_path / "pool.yaml"
    made = await started(path, upstream.base_url, monkeypatch, asking, **tree)
    yield made
    await made.close()


async def _add(served: Reloading, **more: Any) -> Any:
    body = {"name": "new", **hosted("org/new"), **more}
    return await served.http.post("/coterie/experts", json=body, timeout=60)


async def test_it_is_asked_and_the_answer_has_what_was_learned(
    served: Reloading, asking: Asking
) -> None:
    context = served.service._context
    router = context.pipeline.routers["fixed"]
    told = (await _add(served)).json()
    assert told["probed"]["mean_score"] == 0.5
    assert told["probed"]["shifts"][0]["predicted_after"] == 0.6
    texts = [one.text for one in asking.answers if isinstance(one, Answer)]
    assert texts == ["one", "two"]
    assert asking.counts == [32]
    now = served.service._context.pipeline.routers["fixed"]
    assert now is not router, "it was made anew, from what was learned"


async def test_its_questions_count_as_requests_of_the_batch_class(served: Reloading) -> None:
    await _add(served)
    page = (await served.http.get("/metrics")).text
    assert 'model="new",status="200"} 2.0' in page
    assert 'class="batch",expert="new"' in page


async def test_how_many_is_bounded_and_none_is_a_number_too(
    served: Reloading, asking: Asking
) -> None:
    refused = await _add(served, probes=100_000)
    assert refused.status_code == 400
    assert "server.probes.at_most" in refused.json()["error"]["message"]
    assert (await _add(served, probes=0)).json()["probed"] is None
    assert asking.counts == []


async def test_a_question_that_fails_is_the_introductions_to_count(
    served: Reloading, asking: Asking
) -> None:
    asking.scripts = ["refuse"]
    assert (await _add(served)).status_code == 200
    assert isinstance(asking.answers[0], CoterieError)


async def test_an_expert_stays_though_nothing_could_be_learned(
    served: Reloading, asking: Asking
) -> None:
    asking.fails = ConfigError("There is no table.")
    told = (await _add(served)).json()
    assert told["probed"]["why"] == "There is no table."
    assert (await served.chat("new")).status_code == 200


async def test_a_table_that_we_have_written_is_no_change_of_the_file(
    served: Reloading, asking: Asking
) -> None:
    reloader = served.service.reloader
    before = reloader.stamp()
    asking.writes = served.path
    told = (await _add(served)).json()
    assert told["probed"]["asked"] == 2
    assert reloader.stamp() == before
    served.path.write_text("somebody else's")
    assert reloader.stamp() != before


async def test_held_it_is_known_and_chosen_only_when_somebody_says_so(
    served: Reloading, asking: Asking
) -> None:
    def router() -> Any:
        return served.service._context.pipeline.routers["fixed"]

    asking.looks = router
    told = (await _add(served, hold=True)).json()
    assert told["held"] is True
    assert told["probed"]["shifts"][0]["router"] == "fixed"
    assert told["compositions"][0]["why"] == "its router goes on as before"
    assert router() is asking.seen
    assert (await served.chat("new")).status_code == 200

    chosen = await served.http.post("/coterie/experts/new/routing", timeout=60)
    assert chosen.json() == {"expert": "new", "warnings": []}
    assert router() is not asking.seen
    again = await served.http.post("/coterie/experts/new/routing")
    assert again.status_code == 409
    assert "was not added with `hold`" in again.json()["error"]["message"]


async def test_what_is_gone_is_chosen_by_nobody(served: Reloading) -> None:
    await _add(served, hold=True)
    assert (await served.http.post("/coterie/reload")).json()["result"] == "applied"
    gone = await served.http.post("/coterie/experts/new/routing")
    assert gone.status_code == 404
    assert "There is no expert `new`" in gone.json()["error"]["message"]
    assert (await _add(served)).json()["held"] is False
