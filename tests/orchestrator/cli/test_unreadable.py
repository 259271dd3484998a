"""`coterie validate` names the files that would stop the service, by the key that names each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from config_files import REMOTE

from experts.errors import ConfigError
from orchestrator.cli.configuration import validate
from orchestrator.config.model import Config
from orchestrator.service import start_service
from routers.fitted.artifact import Artifact
from routers.outcomes import Outcome, OutcomeTable

RANDOM = {"type": "random"}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a recording that is not there": (
        {"experts": {"a": {"type": "replay", "recording": "no/x", "model": "m"}}},
        "experts.a.recording: {folder}/no/x_queries.parquet: there is no such table.",
    ),
    "a prompt that is not there": (
        {"aggregators": {"s": {"type": "synthesize", "prompt": "no.txt"}}},
        "aggregators.s.prompt: The prompt {folder}/no.txt cannot be read",
    ),
    "a prompt without its fields": (
        {"aggregators": {"s": {"type": "synthesize", "prompt": "words.txt"}}},
        "aggregators.s.prompt: The prompt {folder}/words.txt lacks {{",
    ),
    "a prompt of an aggregator inside another": (
        {
            "aggregators": {
                "s": {"type": "strategy", "panel": {"type": "synthesize", "prompt": "no.txt"}}
            }
        },
        "aggregators.s.panel.prompt: The prompt {folder}/no.txt cannot be read",
    ),
    "thresholds of a composition": (
        {
            "compositions": {
                "pool/a": {
                    "router": "r",
                    "aggregator": {"type": "cascade", "thresholds": "words.txt"},
                }
            }
        },
        "compositions.pool/a.aggregator.thresholds: The thresholds {folder}/words.txt cannot",
    ),
    "outcomes that are no table": (
        {"routers": {"r": {"type": "knn", "outcomes": "words.txt"}}},
        "routers.r.outcomes: {folder}/words.txt cannot be read as parquet",
    ),
    "an artifact that is none": (
        {"routers": {"r": {"type": "knn", "artifact": "words.txt"}}},
        "routers.r.artifact: {folder}/words.txt cannot be read as a router",
    ),
}


def _problems(folder: Path, tree: dict[str, Any]) -> tuple[str, ...]:
    (folder / "words.txt").write_text("no fields")
    path = folder / "pool.yaml"
    pool = {"experts": {"far": REMOTE}, "routers": {"r": RANDOM}}
    path.write_text(yaml.safe_dump({**pool, **tree}))
    with pytest.raises(ConfigError, match="files that cannot be used") as caught:
        validate(path)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_cannot_be_used_is_named_with_its_key(tmp_path: Path, case: str) -> None:
    tree, expected = CASES[case]
    (problem,) = _problems(tmp_path, tree)
    assert problem.startswith(expected.format(folder=tmp_path.resolve()))


def test_the_taggers_prompt_and_the_leads_are_named(tmp_path: Path) -> None:
    router = {"type": "symbolic_moe", "outcomes": "words.txt", "leads": "words.txt"}
    tagger = {"tagger": "far", "tagger_prompt": "words.txt"}
    problems = _problems(tmp_path, {"routers": {"r": {**router, **tagger}}})
    keys = [problem.partition(": ")[0] for problem in problems]
    assert keys == ["routers.r.outcomes", "routers.r.tagger_prompt", "routers.r.leads"]


def _table(path: Path, expert: str) -> None:
    OutcomeTable.from_rows([Outcome("q", "t", "why?", expert, "1", 1.0)]).write(path)


def test_a_table_of_other_experts_is_told(tmp_path: Path) -> None:
    _table(tmp_path / "outcomes.parquet", "someone")
    tree = {"routers": {"r": {"type": "knn", "outcomes": "outcomes.parquet"}}}
    (problem,) = _problems(tmp_path, tree)
    path = (tmp_path / "outcomes.parquet").resolve()
    assert problem.startswith(f"routers.r.outcomes: {path} knows none of the experts (far), but")
    assert "someone" in problem
    _table(tmp_path / "outcomes.parquet", "far")
    validate(tmp_path / "pool.yaml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"type": "knn", "experts": ["someone"]}, "was fitted for other experts: someone."),
        ({"type": "logistic", "experts": ["far"]}, "is a router of type logistic, not knn."),
        (
            {"type": "knn", "experts": ["far"], "encoder": "another"},
            "was fitted on the vectors of another, not of all-MiniLM-L6-v2. Correct `encoder`, or",
        ),
    ],
)
def test_an_artifact_of_another_pool_or_kind_is_told(
    tmp_path: Path, words: dict[str, Any], said: str
) -> None:
    Artifact(words, {"vectors": np.zeros((1, 2))}).write(tmp_path / "r.safetensors")
    tree = {"routers": {"r": {"type": "knn", "artifact": "r.safetensors"}}}
    (problem,) = _problems(tmp_path, tree)
    assert problem.startswith("routers.r.artifact: ")
    assert said in problem


async def test_the_service_says_so_before_it_loads_anything(tmp_path: Path) -> None:
    _table(tmp_path / "outcomes.parquet", "someone")
    config = Config.model_validate(
        {
            "experts": {"hosted": {"type": "vllm", "model": "org/model"}},
            "routers": {"r": {"type": "knn", "outcomes": str(tmp_path / "outcomes.parquet")}},
        }
    )
    events: list[str] = []
    with pytest.raises(ConfigError, match="knows none of the experts"):
        await start_service(config, on_event=events.append, port=0)
    assert events == []
