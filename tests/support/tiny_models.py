"""Tiny models, with the zoo's tokenizer or one like other people's, and what trains on them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)
from transformers.utils import logging

from experts.zoo.tokenizer import SHARED, build

SHAPE: Mapping[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}
KINDS: Mapping[str, type[PretrainedConfig]] = {
    "router": LlamaConfig,
    "left": Qwen3Config,
    "right": LlamaConfig,
}
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
FOREIGN_SHAPE: Mapping[str, Any] = {
    **SHAPE,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "head_dim": 32,
    "max_position_embeddings": 128,
}
logging.disable_progress_bar()


def write_models(folder: Path, **shape: int) -> dict[str, Path]:
    """Write a model of random weights for each of `KINDS`; name -> its folder."""
    tokenizer = build(SHARED)
    for seed, (name, kind) in enumerate(KINDS.items()):
        torch.manual_seed(seed)
        sizes = {**SHAPE, **shape}
        config = kind(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **sizes)
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {name: folder / name for name in KINDS}


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


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
    kind: type[PretrainedConfig] = LlamaConfig,
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
        **{**FOREIGN_SHAPE, **settings},
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
    """Write each of `KINDS`; name -> its folder."""
    tokenizer = train_tokenizer(spare)
    return {
        name: write_model(root / name, tokenizer, kind, padding, seed)
        for seed, (name, kind) in enumerate(KINDS.items())
    }
