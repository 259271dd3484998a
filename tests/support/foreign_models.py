"""Tiny models with a tokenizer like other people's: no tokens are reserved for roles."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

START, END, UNKNOWN = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SPARE = (
    "<repo_name>",
    "<file_sep>",
    "<filename>",
    "<gh_stars>",
    "<issue_closed>",
    "<empty_output>",
)
"""Special tokens that the chat template does not write."""
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXTS = (
    "How many days does a week have? A week has seven days.",
    "The system, the user and the assistant say what they can say.",
    "Paris is the capital of France; Rome is that of Italy.",
    "12 + 30 = 42, and 7 * 6 = 42 too.",
)
MODELS: Mapping[str, type[PreTrainedConfig]] = {
    "router": LlamaConfig,
    "left": Qwen3Config,
    "right": LlamaConfig,
}
SHAPE: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 128,
}


def train_tokenizer(spare: Sequence[str | AddedToken] = SPARE) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on a few sentences; the template is SmolLM2's."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = [UNKNOWN, START, END, *spare]
    trainer = BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=UNKNOWN,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def write_model(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    kind: type[PreTrainedConfig] = LlamaConfig,
    padding: int = 0,
    seed: int = 0,
    **settings: Any,
) -> Path:
    """Write a model of random weights, with `padding` more rows than the tokenizer has tokens."""
    torch.manual_seed(seed)
    config = kind(
        vocab_size=len(tokenizer) + padding,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **{**SHAPE, **settings},
    )
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_foreign(
    root: Path, padding: int = 0, spare: Sequence[str | AddedToken] = SPARE
) -> dict[str, Path]:
    """Write each of `MODELS`; name -> its folder."""
    tokenizer = train_tokenizer(spare)
    return {
        name: write_model(root / name, tokenizer, kind, padding, seed)
        for seed, (name, kind) in enumerate(MODELS.items())
    }


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
