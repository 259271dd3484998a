"""What a run over a pool asks: its compositions, and the experts that answer."""

from pathlib import Path

import pytest
from config_files import REMOTE

from evals.runs.settings import RunOptions, head_of
from evals.runs.subjects.pool import pool_subjects
from experts.errors import ConfigError
from orchestrator.config.model import Config


@pytest.fixture
def settings() -> Config:
    """Three experts, of which one embeds, and a composition."""
    return Config.model_validate(
        {
            "experts": {"a": REMOTE, "b": REMOTE, "vectors": {**REMOTE, "task": "embed"}},
            "routers": {"any": {"type": "random"}},
            "compositions": {"pool/any": {"router": "any"}},
        }
    )


def test_who_embeds_is_no_subject(settings: Config) -> None:
    assert [one.name for one in pool_subjects(settings, ())] == ["pool/any", "a", "b"]
    with pytest.raises(ConfigError, match=r"`vectors` does not exist.* pool/any, a, b"):
        pool_subjects(settings, ["vectors"])


def test_who_embeds_is_not_in_the_head_of_a_run(settings: Config) -> None:
    versions = dict.fromkeys(settings.answering, "1")
    options = RunOptions((), (), Path("run"))
    head = head_of(options, settings, pool_subjects(settings, ()), (), versions)
    assert list(head.experts) == ["a", "b"]
