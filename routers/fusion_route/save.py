"""Writes the fused folder: what was trained, and where its members are."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experts.fused.folder.fingerprint import fingerprint
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.own_weights import TrainedRoute
from experts.fused.folder.write import write_composite
from experts.fused.training.models import load_tokenizer
from routers.fusion_route.decode import all_roles
from routers.fusion_route.model import FusionRouter

RECORD = "training.json"


def save(
    model: FusionRouter,
    router: Path,
    members: Mapping[str, Path],
    folder: Path,
    record: Mapping[str, Any],
    role_tokens: Sequence[str] = (),
) -> None:
    """Write the fused folder, the router rounded to float16; it replaces what was there.

    `router` is the folder that the router started from, which has its tokenizer. `record` says how
    it was trained, and is kept beside the weights. `role_tokens` are as in the run's file.
    """
    with tempfile.TemporaryDirectory() as made:
        rounded = Path(made)
        save_router(model, router, rounded)
        write_composite(
            folder,
            FusionRoute.architecture,
            members,
            [asdict(role) for role in all_roles(tuple(members))],
            TrainedRoute(
                router=rounded,
                route_head=model.route_head.weight.detach(),
                members={name: fingerprint(path) for name, path in members.items()},
            ),
            role_tokens,
        )
    text = json.dumps(dict(record), indent=2, ensure_ascii=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def save_router(model: FusionRouter, router: Path, folder: Path) -> None:
    """Write the router LM alone as a checkpoint in float16, with the tokenizer of `router`."""
    tensors = {name: value.half() for name, value in model.router.state_dict().items()}
    model.router.save_pretrained(folder, state_dict=tensors)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float16"}), encoding="utf-8")
    load_tokenizer(router).save_pretrained(folder)
