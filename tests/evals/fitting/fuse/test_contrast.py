"""`coterie fuse contrast`, from a file to a folder, and what is wrong with a file."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from repository import ROOT

from evals.fitting.fuse.contrast import contrast
from experts.errors import ConfigError
from experts.fused.roles import fused

ZOO = ROOT / "experts" / "zoo" / "weights"


def _file(folder: Path, **content: Any) -> Path:
    path = folder / "contrast.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_example_becomes_one_expert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contrast(ROOT / "examples" / "fuse" / "contrast.yaml", tmp_path / "fused")
    made = fused(str(tmp_path / "fused"))

    assert made is not None
    assert made.members == ("generalist", "units", "logic")
    assert len(made.role_tokens) == 3
    assert "roles: contrast, proxy, plain" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("members", "roles", "words"),
    [
        ({"units": "units", "translation": "translation"}, [{"name": "a", "plus": "units"}],
         "must share one tokenizer"),
        ({"units": "units"}, [{"name": "a", "plus": "logic"}], "logic"),
        ({"units": "nowhere"}, [{"name": "a", "plus": "units"}], "nowhere"),
        ({"units": "units"}, [{"name": "a", "plus": "units", "alpha": 2}], "alpha"),
        ({"units": "units"}, [], "roles"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, members: dict[str, str], roles: list[Any], words: str
) -> None:
    paths = {name: str(ZOO / folder) for name, folder in members.items()}
    with pytest.raises(ConfigError) as caught:
        contrast(_file(tmp_path, members=paths, roles=roles), tmp_path / "fused")
    assert words in " ".join([str(caught.value), *caught.value.problems])
    assert not (tmp_path / "fused").exists()
