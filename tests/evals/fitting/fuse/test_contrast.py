"""`coterie fuse contrast`, from a file to a folder, and what is wrong with a file."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fused_folders import write_adapter
from repository import ROOT
from tiny_models import write_foreign
from transformers import AutoModelForCausalLM, AutoTokenizer

from aggregators.contrast.reference import ContrastReference
from evals.fitting.fuse.contrast import contrast
from experts.errors import ConfigError, RequestError
from experts.fused.roles import fused, refuse_role_tokens
from experts.types import Request

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


def test_other_people_s_models_and_an_adapter_become_one_expert(tmp_path: Path) -> None:
    folders = write_foreign(tmp_path / "models", padding=4)
    adapter = write_adapter(tmp_path / "models" / "terse", folders["right"], "right")
    file = _file(
        tmp_path,
        members={"left": "models/left", "terse": "models/terse"},
        adapter_of={"terse": "models/right"},
        roles=[{"name": "plain", "plus": "left"}, {"name": "terse", "plus": "terse"}],
        role_tokens=["<|loud|>", "<gh_stars>"],
    )
    contrast(file, tmp_path / "fused")
    made = fused(str(tmp_path / "fused"))

    assert adapter.is_dir()
    assert made is not None
    assert made.role_tokens == ("<|loud|>", "<gh_stars>")
    reference = ContrastReference(tmp_path / "fused")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "fused")
    question = [{"role": "user", "content": "How many days?"}]
    answers = []
    for role, member in (("plain", "models/left"), ("terse", "fused/members/terse")):
        asked = tokenizer.apply_chat_template(
            question, role=role, add_generation_prompt=True, return_dict=False
        )
        alone = AutoTokenizer.from_pretrained(tmp_path / member).apply_chat_template(
            question, add_generation_prompt=True, return_dict=False
        )
        assert asked[1:] == alone[1:]
        model = AutoModelForCausalLM.from_pretrained(tmp_path / member)
        said = model(torch.tensor([alone])).logits[0]
        said[:, list(made.role_ids)] = -torch.inf
        assert reference.logits(asked).argmax(-1).tolist() == said.argmax(-1).tolist()
        answers.append(reference.greedy(asked, 8))
    assert answers[0] != answers[1]
    with pytest.raises(RequestError, match=r"contains <\|loud\|>"):
        refuse_role_tokens(Request("r", "completions", {"prompt": "so <|loud|>"}), made)
