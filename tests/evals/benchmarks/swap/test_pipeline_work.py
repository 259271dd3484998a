"""The pool that the pipeline measurement serves, made of the zoo's configuration."""

import json
from collections import Counter
from pathlib import Path

import pytest
from repository import ROOT

from evals.benchmarks.swap.pipeline_work import DEBATE, PANEL, PIPELINE, Pipeline, make_pipeline
from evals.tasks.task import load_tasks
from experts.errors import ConfigError
from orchestrator.config.model import Config, load_config
from routers.outcomes import OutcomeTable

ZOO = load_config(ROOT / "examples" / "zoo.yaml")


def _made(folder: Path, experts: int = 16, zoo: Config = ZOO) -> Pipeline:
    return make_pipeline(zoo, load_tasks(), experts, 40, 0, folder)


def test_every_copy_is_in_some_panel_and_panels_have_three(tmp_path: Path) -> None:
    made = _made(tmp_path)
    queries, experts, scores = OutcomeTable.read(tmp_path / "outcomes.parquet").matrix()
    assert set(experts) == set(made.experts) == set(made.config.experts)
    assert len(experts) == 16
    panels = {
        query.task: tuple(name for name, score in zip(experts, row, strict=True) if score)
        for query, row in zip(queries, scores, strict=True)
    }
    assert {len(panel) for panel in panels.values()} == {PANEL}
    assert {name for panel in panels.values() for name in panel} == set(experts)
    assert len(set(panels.values())) == len(panels)
    assert {"strings-1", "strings-2"} < set(panels["strings"])


def test_the_copies_of_the_tagger_lead(tmp_path: Path) -> None:
    made = _made(tmp_path)
    tasks = json.loads((tmp_path / "leads.json").read_text(encoding="utf-8"))["tasks"]
    leads = Counter(lead for counted in tasks.values() for lead in counted)
    assert set(leads) == {"generalist-1", "generalist-2"}
    assert made.config.routers["symbolic"]["tagger"] == "generalist-1"


def test_it_is_a_configuration_with_one_slot_that_fits_two(tmp_path: Path) -> None:
    config = _made(tmp_path, experts=6).config
    assert Config.model_validate(config.model_dump(by_alias=True)) == config
    assert config.slots.count == 1
    gb = [getattr(spec, "memory_gb", None) for spec in config.experts.values()]
    assert gb == [1.0] * 6
    assert config.routers["symbolic"]["tagger"] == "generalist-1"
    assert not config.routers["nearest"]["tag_requests"]


def test_debates_are_asked_the_same_questions(tmp_path: Path) -> None:
    made = _made(tmp_path, experts=4)
    assert {question.model for question in made.questions} == {PIPELINE}
    debated = made.asked_of(DEBATE, 7)
    assert [question.text for question in debated] == [q.text for q in made.questions[:7]]
    assert {question.model for question in debated} == {DEBATE}


def test_a_configuration_without_a_symbolic_composition_is_an_error(tmp_path: Path) -> None:
    plain = ZOO.model_copy(update={"compositions": {}})
    with pytest.raises(ConfigError, match="tag_requests and a synthesis"):
        _made(tmp_path, zoo=plain)
