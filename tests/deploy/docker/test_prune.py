"""Which packages of a lock an image keeps."""

from importlib.metadata import distributions

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from repository import ROOT

from deploy.docker.prune import needed, roots_of
from orchestrator.cli.doctor.engine import read_installed

PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
REQUIRES = {
    "service": ["web[fast]>=1", "clock; sys_platform == 'win32'", "not-there"],
    "web": ["sockets", "speed; extra == 'fast'", "colours; extra == 'nice'"],
    "sockets": ["web"],
    "speed": [],
    "colours": [],
    "clock": [],
    "tests": ["web"],
}


@pytest.mark.parametrize(
    ("roots", "kept"),
    [
        (["service"], {"service", "web", "sockets", "speed"}),
        (["web"], {"web", "sockets"}),
        (["web[nice]", "clock"], {"web", "sockets", "colours", "clock"}),
        (["not-there"], set()),
        ([], set()),
    ],
)
def test_what_is_needed(roots: list[str], kept: set[str]) -> None:
    assert needed(roots, REQUIRES) == kept


names = st.sampled_from("abcdefgh")


@given(st.dictionaries(names, st.lists(names, max_size=4)), st.lists(names, max_size=3))
def test_what_is_kept_has_all_that_it_asks_for(
    requires: dict[str, list[str]], roots: list[str]
) -> None:
    kept = needed(roots, requires)
    assert kept <= requires.keys()
    assert {*roots} & requires.keys() <= kept
    for name in kept:
        assert {*requires[name]} & requires.keys() <= kept


def test_here_tools_leave_and_the_engine_stays() -> None:
    engine = read_installed().engine
    assert engine is not None
    requires = {canonicalize_name(one.name): one.requires or [] for one in distributions()}
    kept = needed(roots_of(PYPROJECT, engine), requires)
    assert {"ray", "torch", "fastapi", "redis", "transformers", "sentence-transformers"} <= kept
    assert not kept & {"pytest", "mypy", "ruff", "hypothesis", "schemathesis", "import-linter"}
    assert len(requires.keys() - kept) > 15
