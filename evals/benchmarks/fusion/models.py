"""The fused folders that are measured, written from the zoo's experts."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from safetensors.torch import load, load_file, save_file

from aggregators.mixture_of_thoughts.save import save as save_thoughts
from aggregators.mixture_of_thoughts.train import build
from aggregators.mixture_of_thoughts.training_config import TrainingConfig
from evals.fitting.fuse.folders import folder_of
from experts.fused.composites.mixture_of_thoughts.attending import Form
from experts.fused.folder.folder_config import read
from experts.fused.folder.methods.contrast import Contrast
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.tokenizer_files import TOKENIZER_FILES
from experts.fused.folder.write import write_composite
from experts.fused.training.models import load_model
from orchestrator.config.model import Config

MEMBERS = ("arithmetic", "strings", "units")
"""Llama, Qwen2 and Qwen3."""
ROUTER = "generalist"
MIXTURE = "duo"
FORMS: Mapping[str, Form] = {"thoughts": "positionwise", "thoughts-past": "sequence"}
"""The Mixtures of Thoughts that are measured, by name."""
HEADS: Mapping[Form, int] = {"positionwise": 4, "sequence": 2}
"""Heads of 16 numbers keep no past in vLLM."""
TOGETHER = "together"
"""The same members in one model that do not hear each other."""
SHAPE: Mapping[str, Any] = {"stacks": 4, "places": (1, 2, 3), "shared_width": 64}
"""As the zoo's own Mixture of Thoughts."""
TRAINED = "fusion_route"
"""Folder beside the members where a trained composite may be."""
ROUTE_ROLES: Sequence[Mapping[str, Any]] = ({"name": "routed"},)
_HEAD = "route_head.weight"
_SEED = 0
_GATE = 0.1


def write_route(settings: Config, root: Path) -> dict[str, Path]:
    """Write a FusionRoute composite; returns it as `route`, and its router and members alone.

    The router and its head are the trained ones, where they are beside the members and know them
    all; else the generalist with a random head, which costs the same.
    """
    members = {name: folder_of(settings, name) for name in MEMBERS}
    router = folder_of(settings, ROUTER)
    trained = router.parent / TRAINED
    head = None
    if (trained / "config.json").is_file():
        composite = read(trained)
        if isinstance(composite, FusionRoute) and set(MEMBERS) <= set(composite.members):
            rows = [list(composite.members).index(name) for name in MEMBERS]
            router = _extract_router(composite, trained, root / "router")
            head = load_file(trained / "model.safetensors")[_HEAD][rows]
    if head is None:
        width = json.loads((router / "config.json").read_text(encoding="utf-8"))["hidden_size"]
        numbers = np.random.default_rng(_SEED).normal(size=(len(MEMBERS), width))
        head = load(save({_HEAD: numbers.astype(np.float32)}))[_HEAD]
    fused = root / "route"
    write_composite(
        fused, FusionRoute.architecture, members, ROUTE_ROLES, TrainedRoute(router, head)
    )
    return {"route": fused, "router": router, **members}


def _extract_router(composite: FusionRoute, trained: Path, folder: Path) -> Path:
    """The router LM of a fused folder as a checkpoint of its own."""
    folder.mkdir()
    weights = load_file(trained / "model.safetensors")
    own = {
        name.removeprefix("router."): tensor
        for name, tensor in weights.items()
        if name.startswith("router.")
    }
    save_file(own, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(composite.router), encoding="utf-8")
    plain = next(trained.parent / name for name in MEMBERS)
    for name in (*TOKENIZER_FILES, "chat_template.jinja"):
        if (plain / name).is_file():
            shutil.copyfile(plain / name, folder / name)
    return folder


def write_thoughts(settings: Config, root: Path) -> dict[str, Path]:
    """Write a Mixture of Thoughts of each form with random layers, and TOGETHER.

    All members take part in every answer; what the layers were trained to costs nothing.
    """
    members = {name: folder_of(settings, name) for name in MEMBERS}
    models = {name: load_model(name, path) for name, path in members.items()}
    shape = {**SHAPE, "active": len(members), "steps": 1, "questions": ["none"]}
    for name, form in FORMS.items():
        own = {"members": members, "attention": form, "heads": HEADS[form]}
        config = TrainingConfig.model_validate({**shape, **own})
        mixture = build(config, models, dimension=1)
        for key, parameter in mixture.interactions.named_parameters():
            if key.endswith("gate"):
                parameter.data.fill_(_GATE)
        save_thoughts(mixture, config, "none", root / name, {})
    roles = ({"name": "plain", "plus": MEMBERS[0]},)
    write_composite(root / TOGETHER, Contrast.architecture, members, roles)
    return {name: root / name for name in (*FORMS, TOGETHER)}
