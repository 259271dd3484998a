"""Token by token with everything kept, the engine predicts what the trained model does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import write_jsonl

from aggregators.mixture_of_thoughts.data import load_data
from aggregators.mixture_of_thoughts.model import MixtureOfThoughts
from aggregators.mixture_of_thoughts.query_router import Choice
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from experts.fused.torch_engine.mixture_of_thoughts import Session, ThoughtsModel
from experts.fused.training.models import load_tokenizer

Made = tuple[Path, TrainingConfig, MixtureOfThoughts]
ROLES = [
    "arithmetic+geography+translation",
    "geography+arithmetic+translation",
    "arithmetic",
]
QUESTION, ANSWER = 'What is "tree" in French, and 12 + 5? é', "arbre ; 17 für naïve"


def chosen(model: ThoughtsModel, name: str) -> Choice:
    role = model.role(name)
    names = list(model.composite.members)
    active = torch.tensor([[one in role.active for one in names]])
    primary = torch.tensor([names.index(role.primary)])
    return Choice(active, primary, active.float())


@pytest.mark.parametrize("role", ROLES)
@torch.no_grad()
def test_it_predicts_what_was_trained(made: Made, tmp_path: Path, role: str) -> None:
    folder, config, mixture = made
    rows = tmp_path / "rows.jsonl"
    write_jsonl(rows, [{"prompt": QUESTION, "answer": ANSWER}])
    tokenizers = [load_tokenizer(config.members[name]) for name in ("arithmetic", "translation")]
    data = load_data(
        config.model_copy(update={"questions": (rows,)}), tokenizers, 512, lambda line: None
    )
    batch, read = data.batch([0])
    model = ThoughtsModel(folder)
    expected = mixture(read, batch.positions, chosen(model, role)).log_probs
    session = Session(model, model.role(role), [{"role": "user", "content": QUESTION}])
    found = []
    said = ""
    for token in batch.targets.tolist():
        found.append(session.predict())
        said += session.say(token)
    assert said == ANSWER
    words = [t for t in range(expected.shape[-1]) if t not in model.composite.role_token_ids]
    assert torch.allclose(torch.stack(found)[:, words], expected[:, words], atol=1e-3)
    assert len(found) > 8
    heard = torch.tensor(session.attention)
    assert torch.allclose(heard.sum(-1), torch.ones(2))


def test_peers_are_heard(made: Made) -> None:
    model = ThoughtsModel(made[0])
    asked = [{"role": "user", "content": QUESTION}]
    alone, together = (
        Session(model, model.role(name), asked).predict() for name in ROLES[::2][::-1]
    )
    assert not torch.allclose(alone.exp(), together.exp(), atol=1e-2)


def test_listeners_do_not_speak(made: Made) -> None:
    model = ThoughtsModel(made[0])
    assert model.composite.listeners == ("translation",)
    assert {role.primary for role in model.composite.roles} == {"arithmetic", "geography"}
    with pytest.raises(KeyError):
        model.role("translation")
