"""The generator of the reference pages: it notices what is stale, and writes it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregators.registry import AGGREGATORS
from evals.cli.reference import docs
from evals.cli.reference.command_reference import command_page, eval_page, group_page
from evals.cli.reference.config_reference import config_page, experts_page, kinds_page
from evals.cli.reference.schema_words import anchor
from orchestrator.config.model import Config
from routers.registry import ROUTERS


def test_write_makes_fresh_what_was_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path)]
    assert docs.main(["--check", *out]) == 1
    assert "cli.md is stale: run `make docs`" in capsys.readouterr().out
    assert docs.main(out) == 0
    assert docs.main(["--check", *out]) == 0

    page = tmp_path / "reference/cli.md"
    page.write_text(page.read_text(encoding="utf-8") + "more\n", encoding="utf-8")

    assert docs.stale(tmp_path) == ["reference/cli.md"]


def test_every_section_and_type_is_described() -> None:
    page = config_page()
    assert [key for key in Config.model_fields if f"| `{key}` |" not in page] == []
    kinds = ["vllm", "torch", "openai", "replay"]
    assert [kind for kind in kinds if f"## `type: {kind}`\n" not in experts_page()] == []
    for section, known in (("routers", ROUTERS), ("aggregators", AGGREGATORS)):
        page = kinds_page(section)
        assert [kind for kind in known if f"\n## `type: {kind}`\n" not in page] == []


@pytest.mark.parametrize("page", [config_page, experts_page, command_page])
def test_links_within_a_page_lead_somewhere(page: Callable[[], str]) -> None:
    text = page()
    headings = {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.M)}
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links
    assert links - headings == set()


def test_every_command_has_a_section() -> None:
    text = command_page() + group_page() + eval_page()
    for command in ("serve", "validate", "router fit", "fuse contrast", "eval pool", "expert add"):
        assert f"\n## coterie {command}\n" in text
    assert "--config" in text
