"""Language models and tokenizers from folders, checked for what a training relies on."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from experts.errors import ConfigError

# Of one logit: a computation in another order may differ by this much.
TOLERANCE = 1e-3


def load_model(name: str, folder: Path) -> PreTrainedModel:
    """Load a causal model in float32.

    Raises ConfigError for a folder that holds none, and for a model whose logits are not its
    output layer on its last hidden state: the training takes that short cut.
    """
    if (folder / "adapter_config.json").exists():
        raise ConfigError(
            f"{name}: {folder} is a LoRA adapter, not a model of its own.",
            hint="Whole models run side by side: adapters among the `members` are merged by"
            " `coterie fuse`; for a router, name a whole model.",
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name}: {folder} is not a causal language model: {reason}") from error
    assert isinstance(model, PreTrainedModel)
    tokens = torch.arange(4)[None] % model.config.vocab_size
    with torch.no_grad():
        model.eval()
        short = model.get_output_embeddings()(hidden_states(model, tokens))
        if not torch.allclose(short, model(input_ids=tokens).logits, atol=TOLERANCE):
            raise ConfigError(
                f"{name}: a {model.config.model_type} model changes its logits after its output"
                " layer, which the training does not support."
            )
    return model


def hidden_states(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    """Compute the last hidden states, after the final norm: [B, T] to [B, T, d]."""
    hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    assert isinstance(hidden, Tensor)
    return hidden


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a folder's tokenizer. Raises ConfigError where there is none."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{folder} has no tokenizer: {reason}") from error
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def check_tokenizers(
    router: PreTrainedTokenizerBase, members: Mapping[str, PreTrainedTokenizerBase]
) -> None:
    """Raise ConfigError that names each member whose tokenizer differs from the router's."""
    problems = [
        f"members.{name}: {difference}"
        for name, tokenizer in members.items()
        if (difference := _difference(router, tokenizer))
    ]
    if problems:
        raise ConfigError(
            "These members do not share the router's tokenizer.",
            problems=tuple(problems),
            hint="A fused expert joins the predictions of its members token by"
            " token, so a token's number must mean the same to all of them. Leave these out.",
        )


def number_tokenizers(tokenizers: Iterable[PreTrainedTokenizerBase]) -> list[int]:
    """Number the members' tokenizers, equal ones alike; the first one's is 0."""
    known: list[PreTrainedTokenizerBase] = []
    numbers = []
    for tokenizer in tokenizers:
        equal = (i for i, one in enumerate(known) if not _difference(one, tokenizer))
        number = next(equal, len(known))
        if number == len(known):
            known.append(tokenizer)
        numbers.append(number)
    return numbers


def _difference(ours: PreTrainedTokenizerBase, theirs: PreTrainedTokenizerBase) -> str:
    mine, other = ours.get_vocab(), theirs.get_vocab()
    if mine != other:
        same = sum(other.get(piece) == index for piece, index in mine.items())
        return (
            f"its tokenizer has {len(other)} tokens, the router's {len(mine)}, and {same} of"
            " them are the same"
        )
    if (ours.bos_token_id, ours.eos_token_id) != (theirs.bos_token_id, theirs.eos_token_id):
        return "its tokenizer begins or ends a text with other tokens than the router's"
    probe = 'Test: "naïve" CamelCase, 1234 + 5;\n\tЖ 漢字 <|x|> ok'
    if ours.encode(probe) != theirs.encode(probe):
        return "its tokenizer has the router's tokens but splits texts into others"
    return ""


def smallest_context(folders: Iterable[Path]) -> int:
    """Find the fewest positions that any of the models has, in tokens."""
    configs = [AutoConfig.from_pretrained(folder, local_files_only=True) for folder in folders]
    return min(int(config.max_position_embeddings) for config in configs)


def digest(folder: Path) -> str:
    """Hash a model: its configuration and its weights."""
    seen = hashlib.sha256()
    for path in (folder / "config.json", *sorted(folder.glob("*.safetensors"))):
        seen.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                seen.update(block)
    return seen.hexdigest()
