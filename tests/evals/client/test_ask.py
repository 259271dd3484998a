"""Asking many questions, and what happens to those that fail."""

import json
from dataclasses import replace
from typing import Any

import pytest
from odd_upstream import DONE, Sent, event, odd_upstream, said

from evals.client.ask import FAILURES_SHOWN, Answer, Question, ask_many, describe_failures
from experts.openai import ExpertClient


def _questions(model: str, count: int = 5) -> list[Question]:
    return [Question(f"q{number}", model, f"{number}?", 7) for number in range(count)]


@pytest.mark.parametrize("stream", [True, False])
async def test_answers_come_in_order_with_their_facts(gateway: Any, stream: bool) -> None:
    seen: list[Answer] = []
    async with ExpertClient() as client:
        answers = await ask_many(
            client,
            f"{gateway.base_url}/v1",
            _questions("alpha"),
            in_flight=2,
            stream=stream,
            on_answer=seen.append,
        )

    assert [answer.text for answer in answers] == [f"alpha: {n}?" for n in range(5)]
    assert {answer.expert for answer in answers} == {"alpha"}
    assert {answer.completion_tokens for answer in answers} == {2}
    assert all(answer.error is None for answer in answers)
    assert all(0 < (answer.first_token_s or 0) <= answer.seconds for answer in answers)
    assert len(seen) == 5
    assert all(body["temperature"] == 0 and body["max_tokens"] == 7 for body in gateway.bodies)


async def test_a_tasks_question_is_asked_as_the_task_says(gateway: Any, make_task: Any) -> None:
    task = make_task("sums")
    changes = {"system": "Be brief.", "stop": ("END",), "temperature": 0.5}
    task = replace(task, spec=task.spec.model_copy(update=changes))
    question = replace(Question.of(task, task.rows[0], "alpha"), seed=7)
    async with ExpertClient() as client:
        await ask_many(client, f"{gateway.base_url}/v1", [question], in_flight=1, stream=False)

    (body,) = gateway.bodies
    assert body == {**task.body(task.rows[0]), "model": "alpha", "seed": 7}
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["stop"], body["temperature"], body["max_tokens"]) == (["END"], 0.5, 8)


@pytest.mark.parametrize(
    ("model", "error"), [("broken", "HTTP 502: it broke"), ("cut", "ended before the answer did")]
)
async def test_a_failed_call_is_an_answer_with_an_error(
    gateway: Any, model: str, error: str
) -> None:
    async with ExpertClient() as client:
        answers = await ask_many(
            client, f"{gateway.base_url}/v1", _questions(model, 2), in_flight=2
        )

    assert len(answers) == 2
    assert all(error in (answer.error or "") for answer in answers)


async def test_nobody_listening_is_an_error_of_each_question(unused_tcp_port: int) -> None:
    async with ExpertClient() as client:
        answers = await ask_many(
            client, f"http://127.0.0.1:{unused_tcp_port}/v1", _questions("alpha", 2), in_flight=1
        )

    assert ["Cannot connect" in (answer.error or "") for answer in answers] == [True, True]


def test_many_failures_are_counted_rather_than_listed() -> None:
    failed = [Answer(question, error="gone") for question in _questions("alpha", 12)]
    lines = describe_failures([Answer(_questions("alpha", 1)[0]), *failed])

    assert lines[0] == "FAILED: alpha, q0: gone"
    assert len(lines) == FAILURES_SHOWN + 1
    assert lines[-1] == "... and 2 more failed."


async def _asked(sent: Sent, *, stream: bool = True) -> Answer:
    async with odd_upstream() as upstream, ExpertClient() as client:
        upstream.sent["odd"] = sent
        (answer,) = await ask_many(
            client, upstream.base_url, _questions("odd", 1), in_flight=1, stream=stream
        )
    return answer


@pytest.mark.parametrize(
    "pieces",
    [
        (event(said("a\u2028\x85b", "stop")), DONE),
        (event(said("a\u2028\x85b", "stop")).replace(b"data: ", b"data:"), b"data:[DONE]\n\n"),
        (b'data: {"choices": [{"delta": {"content": "a\xe2\x80\xa8\xc2\x85b"}}]}\r\r', DONE),
        (event({**said("a\u2028\x85b", "stop"), "error": None}),),
        tuple(bytes([byte]) for byte in event(said("a\u2028\x85b", "stop"))),
    ],
    ids=["plain", "no space", "raw", "no end", "bytes"],
)
async def test_any_event_stream_is_read(pieces: tuple[bytes, ...]) -> None:
    answer = await _asked(Sent(pieces))
    assert (answer.text, answer.error) == ("a\u2028\x85b", None)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "tree", [None, 7, {"choices": ["x"]}, said(7), {"error": {"message": "it broke"}}], ids=str
)
async def test_odd_answers_are_errors_of_their_question(tree: object, stream: bool) -> None:
    sent = event(tree) if stream else json.dumps(tree).encode()
    answer = await _asked(Sent((sent,)), stream=stream)
    assert "odd" in (answer.error or "") or answer.error == "it broke"


async def test_odd_numbers_of_our_own_field_are_an_error() -> None:
    tree = {**said("a", "stop"), "coterie": {"usage": 3}}
    assert "not what Coterie tells" in ((await _asked(Sent((event(tree),)))).error or "")


async def test_who_answered_may_be_told_at_the_end_only() -> None:
    """The head of a panel's stream goes out before any of its experts has answered."""
    end = {**said("", "stop"), "coterie": {"expert": "two", "usage": {"two": {}}}}
    answer = await _asked(Sent((event(said("a")), event(end), DONE)))
    assert (answer.text, answer.expert) == ("a", "two")
