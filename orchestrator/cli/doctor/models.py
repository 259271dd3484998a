"""Whether the experts' models are there and whole, and under which licence."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from experts.fused.roles import fused
from experts.spec import HostedSpec, VllmSpec
from experts.vllm.hub import Offline, endpoint, folder_of, is_hub_id
from orchestrator.cli.doctor.finding import Finding, fault, ok, warning
from orchestrator.cli.doctor.licences import check_licence, licence_of
from orchestrator.config.weight_checks import check_weights

GIB = 1 << 30


def check_models(experts: Mapping[str, HostedSpec], offline: Offline) -> Iterator[Finding]:
    """For each model one line, and one for its licence where its files are here."""
    for name, spec in experts.items():
        if isinstance(spec, VllmSpec) and spec.same_as is not None:
            continue  # It shares that one's.
        folder = folder_of(spec.model)
        if folder is None:
            yield _absent(name, spec.model, offline)
            continue
        yield _present(name, spec, folder)
        yield from _licences(name, folder)


def _absent(name: str, model: str, offline: Offline) -> Finding:
    about = f"model of {name}"
    if not is_hub_id(model):
        return fault(about, f"there is no folder {model}", f"Correct experts.{name}.model.")
    if offline is True:
        advice = "Copy it here, or set slots.offline: false where a network is allowed."
        return fault(about, f"{model} is not on this machine, and slots.offline is true", advice)
    advice = f"Fetch it before the start (`hf download {model}`): {endpoint()} may be slow or away."
    return warning(about, f"{model} is not on this machine", advice)


def _present(name: str, spec: HostedSpec, folder: Path) -> Finding:
    about = f"model of {name}"
    faults = check_weights(name, spec.model_copy(update={"model": str(folder)}))
    if faults:
        words = " ".join(one.partition(": ")[2] for one in faults)
        return fault(about, words, "Copy the model again, or correct its path.")
    files = [file for file in folder.iterdir() if file.is_file()]
    gb = sum(file.stat().st_size for file in files) / GIB
    return ok(about, f"{folder}, {len(files)} files, {gb:,.{0 if gb >= 100 else 1}f} GB")


def _licences(name: str, folder: Path) -> Iterator[Finding]:
    """A fused expert's members count, too: their weights are what is served."""
    yield check_licence(name, licence_of(folder))
    for member, path in _members(folder):
        yield check_licence(f"{name}'s member {member}", licence_of(path))


def _members(folder: Path) -> Iterator[tuple[str, Path]]:
    if fused(str(folder)) is None:
        return
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name, member in config["members"].items():
        yield name, (folder / member["path"]).resolve()
