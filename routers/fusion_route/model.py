"""The models of FusionRoute: frozen experts, and a router that has a head over them."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from experts.errors import ConfigError
from routers.fusion_route.losses import token_log_probs

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
            hint="FusionRoute runs whole models side by side: merge the adapter into its base"
            " model first, or leave it out.",
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
                " layer, which FusionRoute's training does not support."
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
    """Raise ConfigError that names each member with another tokenizer than the router's."""
    problems = [
        f"members.{name}: {difference}"
        for name, tokenizer in members.items()
        if (difference := _difference(router, tokenizer))
    ]
    if problems:
        raise ConfigError(
            "These members do not share the router's tokenizer.",
            problems=tuple(problems),
            hint="FusionRoute adds the log-probabilities of a router and an expert token by"
            " token, so a token's number must mean the same to all of them. Leave these out.",
        )


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


class FusionRouter(nn.Module):
    """The trained part: a causal model and a linear head that weighs the experts.

    The head reads the last hidden state after the model's final norm (section 3.1). It starts
    at zero: every expert weighs the same.
    """

    def __init__(self, router: PreTrainedModel, members: int) -> None:
        super().__init__()
        self.router = router
        self.route_head = nn.Linear(router.config.hidden_size, members, bias=False)
        nn.init.zeros_(self.route_head.weight)

    def forward(self, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Read tokens [B, T] and answer at N positions [B, T - 1].

        Returns the log-probabilities of the next token [N, V], in nats, and the head's raw
        outputs [N, n].
        """
        hidden = hidden_states(self.router, tokens)[:, :-1][positions]
        logits = self.router.get_output_embeddings()(hidden)
        return logits.float().log_softmax(-1), self.route_head(hidden).float()


class Members:
    """The frozen experts, in the order of the head's outputs."""

    def __init__(self, models: Mapping[str, PreTrainedModel]) -> None:
        self.models = dict(models)
        for model in self.models.values():
            model.eval()
            model.requires_grad_(False)

    @property
    def names(self) -> tuple[str, ...]:
        """The experts' names."""
        return tuple(self.models)

    @torch.no_grad()
    def log_probs(self, name: str, tokens: Tensor, positions: Tensor) -> Tensor:
        """Compute an expert's log-probabilities of the next token: [N, V], in nats."""
        model = self.models[name]
        hidden = hidden_states(model, tokens)[:, :-1][positions]
        logits: Tensor = model.get_output_embeddings()(hidden)
        return logits.float().log_softmax(-1)

    @torch.no_grad()
    def judge(self, name: str, tokens: Tensor, positions: Tensor, kept: int) -> dict[str, Tensor]:
        """Compare an expert with the N right tokens.

        Returns their `nll` [N], in nats, and the expert's `kept` most likely tokens, `best`
        int32 and `best_log_probs` float16, both [N, kept].
        """
        log_probs = self.log_probs(name, tokens, positions)
        targets = tokens[:, 1:][positions]
        values, best = log_probs.topk(min(kept, log_probs.shape[-1]))
        return {
            "nll": -token_log_probs(log_probs, targets),
            "best": best.to(torch.int32),
            "best_log_probs": values.half(),
        }


def load_members(folders: Mapping[str, Path]) -> Members:
    """Load the experts. Raises ConfigError for one that can not be a member."""
    return Members({name: load_model(name, folder) for name, folder in folders.items()})


def digest(folder: Path) -> str:
    """Hash a model: its configuration and its weights."""
    seen = hashlib.sha256()
    for path in (folder / "config.json", *sorted(folder.glob("*.safetensors"))):
        seen.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                seen.update(block)
    return seen.hexdigest()
