"""Fused folders made from the zoo's experts, and LoRA adapters for such."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from composite_engines import FIRST_ROLE, ZOO
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    OlmoeConfig,
    PreTrainedConfig,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.tokenizer_files import TOKENIZER_FILES
from experts.fused.folder.write import write_composite

EXPERTS = ("arithmetic", "strings", "units", "geography", "logic", "duo")
"""Llama, Qwen2, Qwen3, GPT-NeoX, Gemma and Mixtral, with five shapes of the KV cache."""
ROUTER = "generalist"

ROUTE_ROLES: Sequence[Mapping[str, Any]] = (
    {"name": "routed"},
    *({"name": name, "expert": name, "router_logits": False} for name in EXPERTS),
    {"name": "experts", "router_logits": False},
    {"name": "router", "expert": "none"},
    {"name": "logic-and-router", "expert": "logic"},
)
CONTRAST_ROLES: Sequence[Mapping[str, Any]] = (
    {"name": "plain", "plus": "units"},
    {"name": "contrast", "plus": "generalist", "minus": [["generalist", "logic"], 0.5],
     "alpha": 0.1},
    {"name": "proxy", "plus": "generalist", "minus": [["units", "logic"], 1.0]},
)  # fmt: skip
SELF_ROLES: Sequence[Mapping[str, Any]] = (
    {"name": "plain", "beta": 0},
    {"name": "second", "beta": 0.5, "alpha": 0.1, "rank": 2},
    {"name": "third", "beta": 0.5, "alpha": 0.1, "rank": 3},
    {"name": "first", "beta": 0.9, "alpha": 0, "rank": 1},
)

_SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "moe_intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_experts_per_tok": 2,
    "num_experts": 5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "initializer_range": 0.2,
    "decoder_sparse_step": 1,
}
MIXTURES: Mapping[str, tuple[type[PreTrainedConfig], dict[str, Any]]] = {
    "qwen2-moe": (
        Qwen2MoeConfig,
        {"shared_expert_intermediate_size": 64, "norm_topk_prob": False},
    ),
    "qwen3-moe": (Qwen3MoeConfig, {"head_dim": 32, "norm_topk_prob": True}),
    "olmoe": (OlmoeConfig, {"num_key_value_heads": 2, "norm_topk_prob": False}),
}
"""Gates with and without shared experts, that share out 1 or not."""


def role_token(roles: Sequence[Any], name: str) -> int:
    """The token that asks for a role."""
    return FIRST_ROLE + [role["name"] for role in roles].index(name)


def write_route(folder: Path, experts: Sequence[str] = EXPERTS) -> Path:
    """Write a FusionRoute over some of `EXPERTS` with a random route head."""
    torch.manual_seed(0)
    head = torch.randn(len(experts), 160)
    members = {name: ZOO / name for name in experts}
    roles = [role for role in ROUTE_ROLES if role.get("expert", "none") in ("none", *experts)]
    write_composite(folder, "CoterieFusionRoute", members, roles, TrainedRoute(ZOO / ROUTER, head))
    return folder


def write_contrasts(root: Path) -> dict[str, Path]:
    """Write a contrast, and a self-contrast of every mixture of experts; name -> folder."""
    torch.manual_seed(0)
    folders = {name: root / name for name in ("contrast", "self", *MIXTURES)}
    members = {name: ZOO / name for name in ("units", "generalist", "logic")}
    write_composite(folders["contrast"], "CoterieContrast", members, CONTRAST_ROLES)
    write_composite(folders["self"], "CoterieSelfContrast", {"duo": ZOO / "duo"}, SELF_ROLES)
    for name in MIXTURES:
        mixture = write_mixture(root / f"{name}-alone", name)
        write_composite(folders[name], "CoterieSelfContrast", {name: mixture}, SELF_ROLES)
    return folders


def write_mixture(folder: Path, name: str) -> Path:
    """Write a random mixture of experts with the zoo's tokenizer."""
    kind, settings = MIXTURES[name]
    config = kind(vocab_size=741, **{**_SHAPE, **settings})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in (*TOKENIZER_FILES, "chat_template.jinja"):
        if (ZOO / "duo" / file).is_file():
            shutil.copyfile(ZOO / "duo" / file, folder / file)
    return folder


def write_adapter(folder: Path, base: Path, named: str, seed: int = 0, layers: int = 2) -> Path:
    """Write a LoRA adapter with random matrices."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base)
    adapted = get_peft_model(
        model,
        LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=["q_proj", "down_proj"],
            layers_to_transform=list(range(layers)),
            task_type="CAUSAL_LM",
        ),
    )
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.save_pretrained(folder)
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": named}
    path.write_text(json.dumps(settings))
    return folder
