"""Random checkpoints of any size with the zoo's tokenizer, for figures and not for answers."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig
from transformers.utils import logging

from deploy.gpu_check.rig import ZOO, Rig

logging.disable_progress_bar()

MEMBERS = ("member-0", "member-1", "member-2")
"""Of one shape, for composites."""
DENSE = "dense"
MIXTURE = "mixture"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
CONTEXT = 1024
LARGE_GPU_GB = 60.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shapes of the three kinds of models."""

    vocabulary: int
    member: Mapping[str, int]
    dense: Mapping[str, int]
    mixture: Mapping[str, int]


def _shape(width: int, inner: int, layers: int, heads: int, kv_heads: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
    }


LARGE = Sizes(
    32768,
    member=_shape(2048, 5632, 22, 32, 4),
    dense=_shape(3072, 8192, 28, 24, 8),
    mixture={**_shape(1024, 3584, 16, 16, 4), "num_local_experts": 8},
)
"""1.1 billion parameters, 3.0 and 1.5: about 25 GB of GPU memory for the composites together."""
SMALL = Sizes(
    32768,
    member=_shape(1024, 2816, 12, 16, 4),
    dense=_shape(2048, 5632, 22, 32, 4),
    mixture={**_shape(512, 1792, 8, 8, 4), "num_local_experts": 8},
)
"""0.2, 1.1 and 0.2 billion, for a GPU with less memory."""
TINY = Sizes(
    741,
    member=_shape(64, 128, 2, 2, 1),
    dense=_shape(128, 256, 4, 4, 2),
    mixture={**_shape(64, 96, 2, 2, 1), "num_local_experts": 4},
)
"""For the rehearsal."""


def sizes_for(memory_gb: float | None) -> Sizes:
    """What fits a GPU with so much memory; without one, the rehearsal's."""
    if memory_gb is None:
        return TINY
    return LARGE if memory_gb >= LARGE_GPU_GB else SMALL


def folder_of(rig: Rig, name: str) -> Path:
    """Where a checkpoint is."""
    return rig.work / "checkpoints" / name


def config_of(kind: str, shape: Mapping[str, int], vocabulary: int) -> Any:
    """A configuration that transformers and vLLM read."""
    common = {"vocab_size": vocabulary, "max_position_embeddings": CONTEXT, "bos_token_id": 1,
              "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False}  # fmt: skip
    chosen = MixtralConfig if kind == MIXTURE else LlamaConfig
    return chosen(**common, **shape)


def write_model(folder: Path, config: Any, seed: int, device: str) -> int:
    """Write random weights in half the bits; returns the number of parameters."""
    torch.manual_seed(seed)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    parameters: Any = sum(parameter.numel() for parameter in model.parameters())
    model.save_pretrained(folder)
    for name in TOKENIZER:
        shutil.copyfile(ZOO / "arithmetic" / name, folder / name)
    _widen(folder / "tokenizer.json", config.vocab_size)
    return int(parameters)


def _widen(path: Path, vocabulary: int) -> None:
    """Give every number below `vocabulary` a token, so that random answers have a text."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    pieces = tokenizer["model"]["vocab"]
    for number in range(len(pieces), vocabulary):
        pieces[f"~{number}~"] = number
    path.write_text(json.dumps(tokenizer), encoding="utf-8")


def shapes_only(folder: Path) -> Any:
    """The model of a checkpoint without its weights."""
    config = LlamaConfig.from_pretrained(folder)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)
