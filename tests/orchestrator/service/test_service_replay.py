"""A whole service over recorded answers: no slot, no Ray, the real router and the real client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openai import AsyncOpenAI

from experts.errors import ConfigError
from orchestrator.config.model import Config
from orchestrator.service import Service, start_service
from routers.outcomes import Outcome, OutcomeTable

QUESTIONS = {
    "q1": "What is two plus three?",
    "q2": "Which city is the capital of Peru?",
    "q3": "What is nine minus four?",
    "q4": "Which city is the capital of Chad?",
}
ANSWERS = {
    "sums": {"q1": "Five.", "q2": "No idea.", "q3": "Also five.", "q4": "No idea."},
    "cities": {"q1": "Rome?", "q2": "Lima.", "q3": "Rome?", "q4": "N'Djamena."},
}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> str:
    prefix = str(tmp_path_factory.mktemp("recorded") / "quiz")
    queries = [{"query_id": key, "query": text} for key, text in QUESTIONS.items()]
    said = [
        {"query_id": key, "model": model, "response": text}
        for model, answers in ANSWERS.items()
        for key, text in answers.items()
    ]
    tokens = [
        {**row, "prompt_tokens": 7, "completion_tokens": 2 if row["model"] == "sums" else None}
        for row in ({k: row[k] for k in ("query_id", "model")} for row in said)
    ]
    for name, rows in (("queries", queries), ("responses", said), ("outcomes", tokens)):
        pq.write_table(pa.Table.from_pylist(rows), f"{prefix}_{name}.parquet")
    return prefix


def config(prefix: str, table: Path, **coverage: Any) -> Config:
    return Config.model_validate(
        {
            "experts": {
                name: {"type": "replay", "recording": prefix, "model": name} for name in ANSWERS
            },
            "routers": {"near": {"type": "knn", "outcomes": str(table), **coverage}},
            "compositions": {"pool/auto": {"router": "near"}},
        }
    )


@pytest.fixture(scope="module")
async def client(
    prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AsyncOpenAI]:
    table = tmp_path_factory.mktemp("table") / "outcomes.parquet"
    rows = [
        Outcome(key, "sums" if "What" in text else "cities", text, model, "1", float(right))
        for key, text in QUESTIONS.items()
        for model, right in (("sums", "What" in text), ("cities", "Which" in text))
    ]
    OutcomeTable.from_rows(rows).write(table)
    guard = {"action": "abstain", "false_alarms": 0.01, "message": "Not mine."}
    running = await start_service(
        config(prefix, table, coverage=guard), on_event=lambda event: None, port=0
    )
    async with AsyncOpenAI(
        base_url=f"{running.base_url}/v1", api_key="none", max_retries=0
    ) as made:
        yield made
    await running.stop()


async def ask(client: AsyncOpenAI, text: str, model: str = "pool/auto", **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return await client.chat.completions.create(model=model, messages=messages, **more)


async def test_the_router_sends_questions_to_who_recorded_the_right_answer(
    client: AsyncOpenAI,
) -> None:
    said = [(await ask(client, text)).choices[0].message.content for text in QUESTIONS.values()]
    assert said == ["Five.", "Lima.", "Also five.", "N'Djamena."]


async def test_streams_and_usage(client: AsyncOpenAI) -> None:
    options = {"include_usage": True}
    stream = await ask(client, QUESTIONS["q1"], "sums", stream=True, stream_options=options)
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Five."
    assert chunks[-1].usage.completion_tokens == 2
    assert chunks[-1].usage.total_tokens == 9


async def test_options_below_a_question_do_not_matter(client: AsyncOpenAI) -> None:
    answer = await ask(client, QUESTIONS["q2"] + "\n(A) Lima\n(B) Rome", "cities")
    assert answer.choices[0].message.content == "Lima."


async def test_what_was_not_recorded_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no recorded answer to this question"):
        await ask(client, "What is seven?", "sums")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_guard_that_abstains_answers_itself(client: AsyncOpenAI, stream: bool) -> None:
    text = "zq zq 99 ++ lorem ipsum dolor sit amet consectetur"
    raw = await client.chat.completions.with_raw_response.create(
        model="pool/auto", messages=[{"role": "user", "content": text}], stream=stream
    )
    assert raw.headers["x-coterie-expert"] == "none"
    answer: Any = raw.parse()
    if stream:
        chunks = [chunk async for chunk in answer]
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Not mine."
        return
    assert answer.choices[0].message.content == "Not mine."
    assert answer.coterie["fallback"] == "abstain"
    assert answer.coterie["expert"] is None


async def test_a_missing_recording_shows_at_the_start(prefix: str, tmp_path: Path) -> None:
    tree = {"experts": {"x": {"type": "replay", "recording": str(tmp_path / "no"), "model": "m"}}}
    with pytest.raises(ConfigError, match="there is no such table"):
        await start_service(Config.model_validate(tree), on_event=lambda event: None, port=0)
    tree["experts"]["x"] = {"type": "replay", "recording": prefix, "model": "eve"}
    with pytest.raises(ConfigError, match="has no response of eve"):
        await start_service(Config.model_validate(tree), on_event=lambda event: None, port=0)


class TestSecondOpinion:
    """Two recorded experts, and a general one where they differ."""

    @pytest.fixture
    async def wary(
        self, prefix: str, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[AsyncOpenAI]:
        table = tmp_path_factory.mktemp("table") / "outcomes.parquet"
        rows = [
            Outcome(text, "t", text, model, "1", 1.0)
            for text in ("something else", "quite another thing")
            for model in ANSWERS
        ]
        OutcomeTable.from_rows(rows).write(table)
        guard = {"action": "second", "general": "cities"}
        running = await start_service(
            config(prefix, table, coverage=guard), on_event=lambda event: None, port=0
        )
        async with AsyncOpenAI(
            base_url=f"{running.base_url}/v1", api_key="none", max_retries=0
        ) as made:
            yield made
        await running.stop()

    async def test_where_two_differ_the_general_expert_decides(self, wary: AsyncOpenAI) -> None:
        answer = await ask(wary, QUESTIONS["q2"])
        assert answer.choices[0].message.content == "Lima."
        assert answer.coterie["fallback"] == "second"
        # Two opinions and the general expert's: each of the calls counts.
        assert answer.usage.prompt_tokens == 21
        assert answer.coterie["usage"]["cities"]["prompt_tokens"] == 14

    async def test_it_streams(self, wary: AsyncOpenAI) -> None:
        stream = await ask(wary, QUESTIONS["q2"], stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Lima."
        assert chunks[-1].choices[0].finish_reason == "stop"

    @pytest.mark.parametrize(("field", "value"), [("n", 2), ("logprobs", True)])
    async def test_what_one_model_alone_can_give_is_refused(
        self, wary: AsyncOpenAI, field: str, value: object
    ) -> None:
        with pytest.raises(openai.BadRequestError, match="Several experts"):
            await ask(wary, QUESTIONS["q1"], **{field: value})


class TestPanel:
    """Two recorded experts answer together; a tagger's and a lead's prompts were not recorded."""

    @pytest.fixture
    async def council(self, prefix: str, tmp_path: Path) -> AsyncIterator[AsyncOpenAI]:
        table = tmp_path / "outcomes.parquet"
        rows = [
            Outcome(text, "sums" if "What" in text else "cities", text, model, "1", float(right))
            for text in QUESTIONS.values()
            for model, right in (("sums", "What" in text), ("cities", "Which" in text))
        ]
        OutcomeTable.from_rows(rows).write(table)
        tree = config(prefix, table).model_dump(by_alias=True, exclude_unset=True)
        tree["routers"]["skilled"] = {
            "type": "symbolic_moe",
            "outcomes": str(table),
            "tagger": "cities",
            "tag_requests": True,
            "samples": 2,
        }
        tree["aggregators"] = {"one": {"type": "synthesize"}}
        tree["compositions"] |= {
            "pool/council": {"router": "near", "aggregator": "one", "experts": 2},
            "pool/symbolic": {"router": "skilled", "aggregator": "one"},
        }
        running = await start_service(
            Config.model_validate(tree), on_event=lambda event: None, port=0
        )
        async with AsyncOpenAI(
            base_url=f"{running.base_url}/v1", api_key="none", max_retries=0
        ) as made:
            yield made
        await running.stop()

    async def test_the_best_answer_stands_where_nobody_can_lead(self, council: AsyncOpenAI) -> None:
        answer = await ask(council, QUESTIONS["q2"], "pool/council")
        assert answer.choices[0].message.content == "Lima."
        assert answer.coterie["panel"] == ["cities", "sums"]
        assert answer.usage.prompt_tokens == 14

    async def test_a_tagger_that_fails_costs_no_answer(self, council: AsyncOpenAI) -> None:
        answer = await ask(council, QUESTIONS["q2"], "pool/symbolic")
        assert answer.coterie["panel"] == ["cities"]
        assert answer.choices[0].message.content == "Lima."

    async def test_it_streams(self, council: AsyncOpenAI) -> None:
        stream = await ask(council, QUESTIONS["q1"], "pool/council", stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Five."


class TestFeedback:
    """Scores of clients, learned from and recorded."""

    @pytest.fixture
    async def running(self, prefix: str, tmp_path: Path) -> AsyncIterator[Service]:
        table = tmp_path / "outcomes.parquet"
        OutcomeTable.from_rows(
            [Outcome(text, "t", text, m, "1", 1.0) for text in QUESTIONS.values() for m in ANSWERS]
        ).write(table)
        tree = config(prefix, table).model_dump(by_alias=True, exclude_unset=True)
        tree["compositions"]["pool/auto"]["learning"] = {"rate": 1.0}
        tree["feedback"] = {"remember": 50, "file": str(tmp_path / "scored.jsonl")}
        service = await start_service(
            Config.model_validate(tree), on_event=lambda event: None, port=0
        )
        yield service
        await service.stop()

    @pytest.mark.slow
    async def test_who_is_scored_badly_is_asked_no_longer(
        self, running: Service, tmp_path: Path
    ) -> None:
        async with httpx.AsyncClient(base_url=running.base_url, trust_env=False) as http:
            asked = []
            for number in range(40):
                body = {
                    "model": "pool/auto",
                    "messages": [{"role": "user", "content": QUESTIONS["q1"]}],
                }
                answer = await http.post(
                    "/v1/chat/completions", json=body, headers={"x-request-id": f"r{number}"}
                )
                asked.append(answer.headers["x-coterie-expert"])
                score = {"request_id": f"r{number}", "score": float(asked[-1] == "sums")}
                given = (await http.post("/coterie/feedback", json=score)).json()
                assert given == {"expert": asked[-1], "learned": True, "recorded": True}
            weights = (await http.get("/coterie/learned")).json()["pool/auto"]
        # Equal scores go by name, to "cities", which is always scored 0.
        assert asked[0] == "cities"
        assert asked[-10:].count("sums") >= 8
        assert weights["fitted"] < 0.5
        lines = (tmp_path / "scored.jsonl").read_text().splitlines()
        assert len(lines) == 40
        first = json.loads(lines[0])
        assert (first["query"], first["expert"], first["score"]) == (QUESTIONS["q1"], "cities", 0.0)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"request_id": "nobody", "score": 1}, "No answer of a composition"),
            ({"request_id": "r", "score": 2}, "score: must be a number from 0 to 1"),
            ({"score": 1}, "request_id: this key is required"),
        ],
    )
    async def test_what_can_not_be_scored(
        self, running: Service, body: dict[str, object], words: str
    ) -> None:
        async with httpx.AsyncClient(base_url=running.base_url, trust_env=False) as http:
            refused = await http.post("/coterie/feedback", json=body)
        assert refused.status_code == 400
        assert words in refused.json()["error"]["message"]
