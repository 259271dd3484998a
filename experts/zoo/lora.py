"""A LoRA adapter that teaches an expert of the zoo another skill."""

from __future__ import annotations

import json
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def attach(base: PreTrainedModel, rank: int) -> PeftModel:
    """Freeze an expert and put untrained low-rank matrices beside its projections."""
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=list(TARGETS), task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(base, settings)
    assert isinstance(adapted, PeftModel)
    return adapted


def save(adapted: PeftModel, folder: Path, base: str) -> None:
    """Save the adapter alone, under the zoo's name for the expert that it belongs to."""
    adapted.save_pretrained(folder)
    # peft describes the adapter in an empty form, and names a folder of this machine.
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = base
    settings["target_modules"] = sorted(settings["target_modules"])
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load(base: Path, adapter: Path) -> PreTrainedModel:
    """Load an expert with its adapter as one model in float32."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    assert isinstance(merged, PreTrainedModel)
    return merged
