"""LoRA adapters become whole members: equal to peft's, made once, refused by name."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from fused_folders import write_adapter
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny_models import train_tokenizer, write_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from aggregators.contrast.reference import ContrastReference
from experts.errors import ConfigError
from experts.fused.folder.adapters import merge_adapters
from experts.fused.folder.fingerprint import fingerprint
from experts.fused.folder.write import write_composite

TOKENS = [60, 71, 82, 93]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    base = write_model(root / "base", train_tokenizer())
    return {"base": base, "terse": write_adapter(root / "terse", base, "base")}


def merged(
    members: Mapping[str, Path], out: Path, said: list[str] | None = None, **adapter_of: str
) -> dict[str, Path]:
    lines = [] if said is None else said
    return merge_adapters(members, adapter_of, out, lines.append)


def test_a_fused_adapter_says_what_peft_says(folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "fused"
    members = merged(folders, out)
    roles = [{"name": name, "plus": name} for name in members]
    composite = write_composite(out, "CoterieContrast", members, roles)
    reference = ContrastReference(out)
    base = AutoModelForCausalLM.from_pretrained(folders["base"])
    adapted = PeftModel.from_pretrained(base, folders["terse"]).eval()

    assert composite.members["terse"].path == "members/terse"
    assert members["base"] == folders["base"]
    with torch.no_grad():
        tokens = torch.tensor([[composite.bos_token_id, *TOKENS]])
        with adapted.disable_adapter():
            plain = adapted(tokens).logits[0]
        expected = adapted(tokens).logits[0]
    spoken = [id for id in range(expected.shape[-1]) if id not in composite.role_token_ids]
    for role, logits in (("base", plain), ("terse", expected)):
        asked = [composite.role_token_ids[composite.role(role)], *TOKENS]
        found = reference.logits(asked)
        assert torch.allclose(found[:, spoken], logits[:, spoken], atol=1e-4)
    assert not torch.allclose(plain, expected, atol=0.1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_merged_member_has_its_base_s_number_format(
    folders: dict[str, Path], tmp_path: Path, dtype: str
) -> None:
    half = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(folders["base"], dtype=dtype).save_pretrained(half)
    AutoTokenizer.from_pretrained(folders["base"]).save_pretrained(half)
    found = merged({"terse": folders["terse"]}, tmp_path / "fused", terse=str(half))["terse"]
    weights = load_file(found / "model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {f"torch.{dtype}"}


def test_it_is_made_once_and_again_when_it_changes(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["base"], tmp_path / "base")
    shutil.copytree(folders["terse"], tmp_path / "terse")
    members, out = {"terse": tmp_path / "terse"}, tmp_path / "fused"
    said: list[str] = []
    first = fingerprint(merged(members, out, said)["terse"])
    assert fingerprint(merged(members, out, said)["terse"]) == first
    assert said == [f"merging terse into its base {tmp_path / 'base'}"]
    shutil.rmtree(members["terse"])
    write_adapter(members["terse"], tmp_path / "base", "base", seed=1, layers=1)
    again = fingerprint(merged(members, out, said)["terse"])
    assert (len(said), len({first, again, fingerprint(tmp_path / "base")})) == (2, 3)
    assert [path.name for path in (out / "members").iterdir()] == ["terse"]


@pytest.mark.parametrize("named", ["base", "elsewhere/base", "{root}/base"])
def test_the_base_is_found_by_what_the_adapter_says(
    folders: dict[str, Path], tmp_path: Path, named: str
) -> None:
    adapter = tmp_path / "terse"
    shutil.copytree(folders["terse"], adapter)
    shutil.copytree(folders["base"], tmp_path / "base")
    path = adapter / "adapter_config.json"
    settings = json.loads(path.read_text())
    settings["base_model_name_or_path"] = named.format(root=folders["base"].parent)
    path.write_text(json.dumps(settings))
    assert (merged({"terse": adapter}, tmp_path / "fused")["terse"] / "config.json").is_file()


def test_another_member_may_be_the_base(folders: dict[str, Path], tmp_path: Path) -> None:
    adapter = tmp_path / "far" / "terse"
    shutil.copytree(folders["terse"], adapter)
    with pytest.raises(ConfigError, match=r"members.terse: the base model .* was not found: base"):
        merged({"plain": folders["base"], "terse": adapter}, tmp_path / "fused")
    members = {"plain": folders["base"], "terse": adapter}
    assert merged(members, tmp_path / "fused", terse="plain")["terse"].is_dir()


def test_what_cannot_be_merged_is_refused_by_name(folders: dict[str, Path], tmp_path: Path) -> None:
    short = write_model(tmp_path / "short", train_tokenizer(), num_hidden_layers=1)
    with pytest.raises(ConfigError, match=r"members.terse: .* cannot be merged into .*short.* no"):
        merged({"terse": folders["terse"]}, tmp_path / "fused", terse=str(short))
    assert not list((tmp_path / "fused" / "members").iterdir())
    deep = write_model(tmp_path / "deep", train_tokenizer(), num_hidden_layers=3)
    path = tmp_path / "whole"
    shutil.copytree(folders["terse"], path)
    settings = json.loads((path / "adapter_config.json").read_text())
    (path / "adapter_config.json").write_text(json.dumps(settings | {"layers_to_transform": None}))
    with pytest.raises(ConfigError, match=r"members.whole: .* missing adapter keys"):
        merged({"whole": path}, tmp_path / "fused", whole=str(deep))
    (path / "adapter_config.json").write_text(json.dumps(settings | {"peft_type": "IA3"}))
    with pytest.raises(ConfigError, match="is a IA3 adapter; only LoRA adapters"):
        merged({"whole": path}, tmp_path / "fused")
    with pytest.raises(ConfigError, match="adapter_of: base, gone is no member"):
        merged({"base": folders["base"]}, tmp_path / "fused", base="x", gone="base")


def test_a_wrong_shape_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    adapter = tmp_path / "terse"
    shutil.copytree(folders["terse"], adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file(
        {n: t[:, :-1].contiguous() for n, t in weights.items()},
        adapter / "adapter_model.safetensors",
    )
    with pytest.raises(ConfigError, match=r"members.terse: .* cannot be merged .* size mismatch"):
        merged({"terse": adapter}, tmp_path / "fused", terse=str(folders["base"]))
