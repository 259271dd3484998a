"""Converting a GGUF file to an ordinary checkpoint: `python -m experts.real.convert GGUF FOLDER`.

It runs in a process of its own whose path holds the package `gguf`, which transformers needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def convert(gguf: Path, folder: Path) -> None:
    """Write the weights, in bfloat16 like the original's, with tokenizer and chat template."""
    where = {"gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, **where, dtype=torch.float32)
    # The weights are plain numbers now, but the model would still call itself quantized.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
