"""The lines of one more expert are checked, and nothing changes."""

from typing import Any

import pytest
from reloading_service import Reloading, hosted

URL = "/coterie/experts/check"


async def _checked(served: Reloading, yaml: str) -> Any:
    answer = await served.http.post(URL, json={"yaml": yaml})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "yaml",
    [
        "experts:\n  law:\n    type: vllm\n    model: acme/law\n    memory_gb: 1\n",
        "law: {type: vllm, model: acme/law, memory_gb: 1}",
    ],
)
async def test_right_lines_become_the_body_that_adds_the_expert(
    served: Reloading, yaml: str
) -> None:
    told = await _checked(served, yaml)
    assert (told["ok"], told["problems"], told["expert"]) == (True, [], "law")
    assert told["difference"] == ["expert law added (it is loaded)"]
    assert (await served.http.get("/coterie/config")).json()["generation"] == 1
    assert "law" not in served.slot.loads
    body = {**told["keys"], "name": told["expert"]}
    added = (await served.http.post("/coterie/experts", json=body)).json()
    assert (added["expert"], added["resident"], added["probed"]) == ("law", True, None)


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("law: {type: vllm}", "experts.law.model: this key is required"),
        ("law: {model: x}", "experts.law.type: this key is required"),
        ("law: {type: vllm, model: org/x, memory: 3}", "experts.law.memory: "),
        ("law: {type: vllm, model: org/x, memory_gb: 99}", "experts.law.memory_gb: 99.00 GB"),
        ("law: {type: none, model: org/x}", "experts.law.type: "),
        ("a b: {type: vllm, model: org/x}", "experts.name: must consist of letters"),
        ("a: {type: vllm, model: org/x}", "There is a model `a` already"),
        ("law: {type: 'os:system', model: org/x}", "added in the file alone"),
        ("law: {type: openai, model: x, base_url: '${env:HOME}'}", "in the file alone"),
        ("law:", "its keys are missing"),
        ("law: {type: vllm, model: x}\nmore: {type: vllm, model: y}", "One expert is needed"),
        ("- law", "One expert is needed"),
        ("", "One expert is needed"),
        ("law: {type: [}", "line 1, column"),
        ("law: {type: vllm, model: x, probes: 3}", "probes"),
    ],
)
async def test_every_mistake_is_named_with_its_path(
    served: Reloading, yaml: str, words: str
) -> None:
    told = await _checked(served, yaml)
    assert not told["ok"]
    assert any(words in problem for problem in told["problems"]), told["problems"]


async def test_several_mistakes_are_all_told(served: Reloading) -> None:
    told = await _checked(served, "law: {type: vllm, memory_gb: -1, about: 3}")
    assert len(told["problems"]) >= 3


async def test_what_is_checked_is_what_would_be_refused(served: Reloading) -> None:
    body = {"name": "law", **hosted("org/x", memory_gb=99)}
    refused = (await served.http.post("/coterie/experts", json=body)).json()["error"]["message"]
    told = await _checked(served, "law: {type: vllm, model: org/x, memory_gb: 99}")
    assert all(problem in refused for problem in told["problems"])
