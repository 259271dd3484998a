"""Fused folders are complete, and refused where their members do not go together."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from experts.errors import ConfigError
from experts.fused.folder.fingerprint import check_members, fingerprint
from experts.fused.folder.folder_config import read
from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.write import write_composite

PLAIN = [{"name": "plain", "plus": "units"}]


@pytest.fixture
def edited(zoo: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of an expert with changes of its config.json."""

    def copy(expert: str, **changes: Any) -> Path:
        folder = tmp_path / f"edited-{expert}"
        shutil.copytree(zoo / expert, folder)
        config = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return copy


def contrast(folder: Path, **members: Path) -> None:
    roles = [{"name": "plain", "plus": next(iter(members))}]
    write_composite(folder, "CoterieContrast", members, roles)


def test_a_folder_has_all_that_the_engine_needs(zoo: Path, tmp_path: Path) -> None:
    members = {name: zoo / name for name in ("units", "duo")}
    trained = TrainedRoute(zoo / "generalist", torch.randn(2, 160))
    roles = [{"name": "routed"}, {"name": "duo", "expert": "duo"}]
    written = write_composite(tmp_path / "f", "CoterieFusionRoute", members, roles, trained)

    config = json.loads((tmp_path / "f" / "config.json").read_text())
    weights = load_file(tmp_path / "f" / "model.safetensors")
    router = load_file(zoo / "generalist" / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "f")
    assert read(tmp_path / "f") == written
    assert list(config["members"]) == ["units", "duo"]
    assert (tmp_path / "f" / config["members"]["duo"]["path"]).resolve() == zoo / "duo"
    assert config["role_token_ids"] == [6, 7]
    assert (config["bos_token_id"], config["eos_token_id"], config["vocab_size"]) == (1, 2, 741)
    assert (config["num_local_experts"], config["max_position_embeddings"]) == (4, 1024)
    assert config["torch_dtype"] == "float16"
    assert set(weights) == {"route_head.weight", *(f"router.{name}" for name in router)}
    assert torch.equal(weights["route_head.weight"], trained.route_head)
    question = [{"role": "user", "content": "12 km?"}]
    ids = tokenizer.apply_chat_template(question, role="duo", return_dict=False)
    alone = AutoTokenizer.from_pretrained(zoo / "units").apply_chat_template(
        question, return_dict=False
    )
    assert (ids[0], ids[1:]) == (7, alone[1:])


def test_a_composite_without_weights_has_an_empty_file(zoo: Path, tmp_path: Path) -> None:
    contrast(tmp_path / "f", units=zoo / "units")

    assert load_file(tmp_path / "f" / "model.safetensors") == {}
    assert "num_local_experts" not in json.loads((tmp_path / "f" / "config.json").read_text())


def test_members_that_can_not_take_part_are_all_named(
    zoo: Path, tmp_path: Path, edited: Callable[..., Path]
) -> None:
    shutil.copytree(zoo / "units", tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    (tmp_path / "void").mkdir()
    with pytest.raises(ConfigError) as caught:
        contrast(
            tmp_path / "f",
            units=zoo / "units",
            cipher=zoo / "cipher",
            gone=tmp_path / "gone",
            bare=tmp_path / "bare",
            void=tmp_path / "void",
        )
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        *("cipher", "gone", "bare", "void")
    ]
    assert "LoRA adapter" in caught.value.problems[0]

    quantised = edited("units", quantization_config={"quant_method": "awq"})
    odd = edited("logic", model_type="nonesuch")
    with pytest.raises(ConfigError, match=r"a is quantised.*b has a model_type"):
        contrast(tmp_path / "f", a=quantised, b=odd)
    assert not (tmp_path / "f").exists()


def test_another_vocabulary_is_refused_with_examples(zoo: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"translation has a different vocabulary than units: 7\d+ tok"
    ):
        contrast(tmp_path / "f", units=zoo / "units", translation=zoo / "translation")


def test_another_way_to_split_text_is_refused(
    zoo: Path, tmp_path: Path, edited: Callable[..., Path]
) -> None:
    folder = edited("logic")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["pre_tokenizer"] = {"type": "Whitespace"}
    (folder / "tokenizer.json").write_text(json.dumps(content))

    with pytest.raises(ConfigError, match="logic splits text into tokens differently"):
        contrast(tmp_path / "f", units=zoo / "units", logic=folder)


def test_padding_of_a_vocabulary_may_differ(
    zoo: Path, tmp_path: Path, edited: Callable[..., Path]
) -> None:
    contrast(tmp_path / "f", units=edited("units", vocab_size=768), logic=zoo / "logic")

    assert read(tmp_path / "f").vocab_size == 741


def test_too_few_role_tokens_are_refused(zoo: Path, tmp_path: Path) -> None:
    roles = [{"name": f"r{n}", "plus": "units"} for n in range(78)]
    with pytest.raises(ConfigError, match=r"78 roles need as many role tok.* 77"):
        write_composite(tmp_path / "f", "CoterieContrast", {"units": zoo / "units"}, roles)


def test_a_template_must_start_with_a_special_token(
    tmp_path: Path, edited: Callable[..., Path]
) -> None:
    folder = edited("units")
    for template in ("Hello {{ messages[0].content }}", ""):
        (folder / "chat_template.jinja").write_text(template)
        with pytest.raises(ConfigError, match="chat template"):
            contrast(tmp_path / "f", units=folder)


def test_trained_weights_of_other_members_are_refused(zoo: Path, tmp_path: Path) -> None:
    members = {name: zoo / name for name in ("units", "logic")}
    versions = {name: fingerprint(path) for name, path in members.items()}
    roles = [{"name": "routed"}]

    def write(rows: int, trained_with: dict[str, str]) -> None:
        trained = TrainedRoute(zoo / "generalist", torch.randn(rows, 160), trained_with)
        write_composite(tmp_path / "f", "CoterieFusionRoute", members, roles, trained)

    write(2, versions)
    with pytest.raises(ConfigError, match=r"route head is \[3, 160\], not .* \[2, 160\]"):
        write(3, versions)
    with pytest.raises(ConfigError, match="trained with logic, units, not units, logic"):
        write(2, dict(reversed(versions.items())))
    with pytest.raises(ConfigError, match="logic no longer has the weights"):
        write(2, {**versions, "logic": "0"})


def test_weights_go_with_fusion_route_and_nothing_else(zoo: Path, tmp_path: Path) -> None:
    members = {"units": zoo / "units"}
    trained = TrainedRoute(zoo / "generalist", torch.randn(1, 160))
    with pytest.raises(ConfigError, match="no other composite has any"):
        write_composite(tmp_path / "f", "CoterieContrast", members, PLAIN, trained)
    with pytest.raises(ConfigError, match="router"):
        write_composite(tmp_path / "f", "CoterieFusionRoute", members, [{"name": "x"}])
    with pytest.raises(ConfigError, match="at least one member"):
        write_composite(tmp_path / "f", "CoterieContrast", {}, PLAIN)


def test_a_member_that_was_trained_again_is_noticed(zoo: Path, tmp_path: Path) -> None:
    member = tmp_path / "units"
    shutil.copytree(zoo / "units", member)
    trained = TrainedRoute(zoo / "generalist", torch.randn(1, 160))
    composite = write_composite(
        tmp_path / "f", "CoterieFusionRoute", {"units": member}, [{"name": "routed"}], trained
    )
    assert fingerprint(member) == fingerprint(zoo / "units")
    assert check_members(composite, tmp_path / "f") == {"units": member}

    content = bytearray((member / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (member / "model.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match=r"units of .* no longer has the weights"):
        check_members(composite, tmp_path / "f")

    shutil.rmtree(member)
    with pytest.raises(ConfigError, match=r"units of .* is missing"):
        check_members(composite, tmp_path / "f")
