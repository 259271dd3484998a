"""The mixture is causal, starts as its primary, and trains nothing but what it should."""

from __future__ import annotations

import pytest
import torch
from repository import ROOT
from transformers.utils import logging

from aggregators.mixture_of_thoughts.model import MixtureOfThoughts, Read
from aggregators.mixture_of_thoughts.query_router import Choice
from experts.errors import ConfigError
from experts.fused.torch_engine.stacks import StackedModel
from experts.fused.training.models import load_model

ZOO = ROOT / "experts" / "zoo" / "weights"
KINDS = ("arithmetic", "strings", "units", "logic", "geography", "duo", "translation")
"""Llama, Qwen2, Qwen3, Gemma, GPT-NeoX, Mixtral and Phi: two to four layers, three widths."""
MEMBERS = ("arithmetic", "geography", "logic", "duo")
VOCABULARY = 741
logging.disable_progress_bar()


@pytest.mark.parametrize("stacks", [2, 3, 5])
@pytest.mark.parametrize("name", KINDS)
def test_stacks_make_up_the_model(name: str, stacks: int) -> None:
    model = load_model(name, ZOO / name)
    tokens = torch.randint(80, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    cut = StackedModel(name, model, stacks)
    stream = cut.embed(tokens)
    for stack in range(stacks):
        stream = cut.run(stack, stream)
    with torch.no_grad():
        expected = model(tokens).logits.log_softmax(-1)
    assert torch.allclose(cut.log_probs(stream), expected, atol=1e-4)


def test_what_can_not_be_cut_is_named() -> None:
    model = load_model("arithmetic", ZOO / "arithmetic")
    model.base_model.layers = torch.nn.Identity()
    with pytest.raises(ConfigError, match="arithmetic: a llama model cannot be cut"):
        StackedModel("arithmetic", model, 2)


@pytest.fixture(scope="module", params=["positionwise", "sequence"])
def mixture(request: pytest.FixtureRequest) -> MixtureOfThoughts:
    """Three stacks, two interaction layers that do nothing yet."""
    torch.manual_seed(1)
    models = {name: load_model(name, ZOO / name) for name in MEMBERS}
    return MixtureOfThoughts(models, 3, (0, 1), 32, 4, dimension=8, form=request.param).eval()


def wake(mixture: MixtureOfThoughts, gate: float) -> None:
    for name, parameter in mixture.interactions.named_parameters():
        if name.endswith("gate"):
            parameter.data.fill_(gate)


def chosen(rows: list[tuple[int, ...]]) -> Choice:
    """Each row names its active members, the primary first."""
    active = torch.zeros(len(rows), len(MEMBERS), dtype=torch.bool)
    for row, members in enumerate(rows):
        active[row, list(members)] = True
    primary = torch.tensor([members[0] for members in rows])
    return Choice(active, primary, active.float())


ROWS = [(0, 1, 2), (1, 3), (3, 0, 2), (2,), (0, 1, 2, 3)]


def tokens_for(rows: int, length: int = 8) -> torch.Tensor:
    return torch.randint(80, 300, (rows, length), generator=torch.Generator().manual_seed(3))


def predicted(mixture: MixtureOfThoughts) -> torch.Tensor:
    """[rows, 7, V] log-probabilities by those who are chosen in ROWS."""
    positions = torch.ones(len(ROWS), 7, dtype=torch.bool)
    heard = mixture(Read((tokens_for(len(ROWS)),)), positions, chosen(ROWS))
    return heard.log_probs.view(len(ROWS), 7, -1)


def predicted_alone(row: int) -> torch.Tensor:
    """[7, V] log-probabilities by the primary of a row, without the mixture."""
    primary = MEMBERS[ROWS[row][0]]
    model = load_model(primary, ZOO / primary)
    logits: torch.Tensor = model(tokens_for(len(ROWS))[row : row + 1, :-1]).logits[0]
    return logits.log_softmax(-1)


@torch.no_grad()
def test_untrained_it_is_its_primary(mixture: MixtureOfThoughts) -> None:
    wake(mixture, 0.0)
    heard = predicted(mixture)
    for row in range(len(ROWS)):
        expected = predicted_alone(row)
        assert torch.allclose(heard[row], expected, atol=1e-4)
        assert torch.equal(heard[row].argmax(-1), expected.argmax(-1))


@torch.no_grad()
def test_alone_a_member_is_itself(mixture: MixtureOfThoughts) -> None:
    wake(mixture, 0.7)
    assert ROWS[3] == (2,)
    assert torch.allclose(predicted(mixture)[3], predicted_alone(3), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("gate", [0.0, 0.7])
def test_later_tokens_change_nothing_before_them(mixture: MixtureOfThoughts, gate: float) -> None:
    wake(mixture, gate)
    before = tokens_for(len(ROWS))
    after = before.clone()
    after[:, 5:] = after[:, 5:].flip(-1) + 7
    positions = torch.zeros(len(ROWS), 7, dtype=torch.bool)
    positions[:, :5] = True
    one, other = (mixture(Read((t,)), positions, chosen(ROWS)).log_probs for t in (before, after))
    assert torch.allclose(one, other, atol=1e-5)
    positions[:, 5] = True
    one, other = (mixture(Read((t,)), positions, chosen(ROWS)).log_probs for t in (before, after))
    assert not torch.allclose(one, other, atol=1e-2)


@torch.no_grad()
def test_a_mixed_batch_is_each_row_alone(mixture: MixtureOfThoughts) -> None:
    wake(mixture, 0.7)
    tokens = tokens_for(len(ROWS))
    positions = torch.ones(len(ROWS), 7, dtype=torch.bool)
    positions[1, :4] = False
    together = mixture(Read((tokens,)), positions, chosen(ROWS))
    alone = [
        mixture(Read((tokens[i : i + 1],)), positions[i : i + 1], chosen([row]))
        for i, row in enumerate(ROWS)
    ]
    assert torch.allclose(
        together.log_probs, torch.cat([one.log_probs for one in alone]), atol=1e-4
    )
    assert torch.allclose(
        together.attention, torch.stack([one.attention for one in alone]).mean(0), atol=1e-5
    )
    assert alone[3].attention.tolist() == [[0, 0, 1, 0]] * 2


def test_peers_matter_once_the_gates_are_open(mixture: MixtureOfThoughts) -> None:
    wake(mixture, 0.7)
    tokens, positions = tokens_for(1), torch.ones(1, 7, dtype=torch.bool)
    with torch.no_grad():
        one, other = (
            mixture(Read((tokens,)), positions, chosen([row])).log_probs for row in ((0, 1), (0, 2))
        )
    assert not torch.allclose(one, other, atol=1e-2)


def test_only_router_and_interactions_learn(mixture: MixtureOfThoughts) -> None:
    wake(mixture, 0.7)
    tokens, positions = tokens_for(3), torch.ones(3, 7, dtype=torch.bool)
    scores = torch.zeros(3, len(MEMBERS), requires_grad=True)
    choice = chosen(ROWS[:3])
    soft = scores.softmax(-1)
    choice = choice._replace(weights=choice.weights + (soft - soft.detach()))
    (-mixture(Read((tokens,)), positions, choice).log_probs[:, 90].mean()).backward()
    assert scores.grad is not None
    assert scores.grad.abs().sum() > 0
    # `up` of the last layer gets none from idle members; everything in a layer together does.
    for interaction in mixture.interactions:
        assert all(
            p.grad is not None and p.grad.abs().sum() > 0 for p in interaction.key.parameters()
        )
        assert interaction.primary_gate.grad is not None
    for member in mixture._members:
        assert all(p.grad is None and not p.requires_grad for p in member.model.parameters())
    trained = {name.split(".")[0] for name, _ in mixture.named_parameters()}
    assert trained == {"interactions", "router"}
    mixture.zero_grad()
