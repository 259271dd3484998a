"""The real pretrained model as plain transformers runs it, for comparisons with what is served."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from experts.real.places import ADAPTERS, MODEL
from experts.zoo.train import chat_prompt


def require_model() -> Path:
    """The folder of the model; the test is skipped where `make real` has not made it."""
    if not (MODEL / "config.json").is_file():
        pytest.skip(f"there is no {MODEL}: run `make real` (a download of 93 MB)")
    return MODEL


class PlainTransformers:
    """Greedy answers in float32, one question at a time, with or without an adapter of ours."""

    def __init__(self, adapter: str | None = None) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL)
        self.model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
        if adapter is not None:
            self.model = PeftModel.from_pretrained(self.model, ADAPTERS / adapter)

    @torch.no_grad()
    def answer(self, question: str, max_tokens: int) -> list[int]:
        """The tokens of the answer, without the one that ends it."""
        prompt = chat_prompt(self.tokenizer, question)
        encoded = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        said = self.model.generate(**encoded, max_new_tokens=max_tokens, do_sample=False)
        tokens: list[int] = said[0, encoded["input_ids"].shape[1] :].tolist()
        return without_end(tokens, self.tokenizer.eos_token_id)


def without_end(tokens: list[int], end: int) -> list[int]:
    """An answer's tokens without the one that ends it."""
    return tokens[:-1] if tokens and tokens[-1] == end else tokens
