"""LoRA adapters as members of a fused expert: merged into their bases, in the fused folder.

A fused expert runs whole models side by side. What an adapter changes is added to its base's
weights once, in the base's own number format, and kept under `members/` of the fused folder.
"""

import hashlib
import importlib
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from experts.errors import ConfigError
from experts.fused.folder.fingerprint import fingerprint, weight_files
from experts.fused.folder.tokenizer_files import TOKENIZER_FILES

MERGED = "members"
"""Folder of the merged checkpoints, below the fused one."""
RECORD = "coterie_merged"
"""Key of a merged checkpoint's config.json: what it was made of, which its fingerprint covers."""
_ADAPTER = "adapter_config.json"
_TEMPLATE = "chat_template.jinja"
_WRONG_BASE = ".*missing adapter keys.*"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter instead of a model."""
    return (folder / _ADAPTER).is_file()


def merge_adapters(
    members: Mapping[str, Path], adapter_of: Mapping[str, str], out: Path, say: Callable[[str], Any]
) -> dict[str, Path]:
    """The members with a whole checkpoint in the place of every LoRA adapter.

    Args:
        members: name -> folder.
        adapter_of: adapter -> its base, another member's name or a folder; by default the one
            that its adapter_config.json names.
        out: the fused folder that will be written.
        say: told before each merge; one that was made before is kept.

    Raises ConfigError for an adapter without base, and for one that cannot be merged.

    """
    if wrong := [name for name in adapter_of if not is_adapter(members.get(name, out / name))]:
        raise ConfigError(
            f"adapter_of: {', '.join(wrong)} is no member with an {_ADAPTER}.",
            hint="Its keys are the names of members that are LoRA adapters.",
        )
    whole = {name: path for name, path in members.items() if not is_adapter(path)}
    found = {}
    for name, path in members.items():
        if name in whole:
            found[name] = path
            continue
        base = find_base(name, path, adapter_of.get(name), whole)
        found[name] = out / MERGED / name
        _merge_once(name, base, path, found[name], say)
    return found


def find_base(name: str, adapter: Path, said: str | None, whole: Mapping[str, Path]) -> Path:
    """The folder of an adapter's base. Raises ConfigError where it is not there."""
    settings = json.loads((adapter / _ADAPTER).read_text(encoding="utf-8"))
    if (kind := settings.get("peft_type")) != "LORA":
        raise ConfigError(
            f"members.{name}: {adapter} is a {kind} adapter; only LoRA adapters can be merged."
        )
    base = said or str(settings.get("base_model_name_or_path") or "")
    # A folder's own name is looked for beside the adapter too: folders move together.
    places: tuple[Path, ...] = (
        Path(base),
        adapter / base,
        adapter.parent / base,
        adapter.parent / Path(base).name,
    )
    candidates: list[Path] = [*([whole[base]] if base in whole else []), *(places if base else ())]
    for place in candidates:
        if (place / "config.json").is_file() and not is_adapter(place):
            return place.resolve()
    if base and (cached := _cached(base)) is not None:
        return cached
    raise ConfigError(
        f"members.{name}: the base model of the LoRA adapter {adapter} was not found: "
        f"{base or 'its adapter_config.json names none'}.",
        hint=f"Name it: `adapter_of: {{{name}: FOLDER}}`, or another member's name.",
    )


def _cached(base: str) -> Path | None:
    """A hub id's folder, where it has been downloaded before."""
    hub = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.snapshot_download(base, local_files_only=True))
    except (OSError, ValueError):
        return None


def _merge_once(name: str, base: Path, adapter: Path, out: Path, say: Callable[[str], Any]) -> None:
    record = {"adapter": _digest(adapter), "base": fingerprint(base)}
    config = out / "config.json"
    if config.is_file() and json.loads(config.read_text(encoding="utf-8")).get(RECORD) == record:
        return
    say(f"merging {name} into its base {base}")
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        _merge(name, base, adapter, unfinished)
        _write_record(unfinished / "config.json", record)
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    shutil.rmtree(out, ignore_errors=True)
    unfinished.replace(out)


def _merge(name: str, base: Path, adapter: Path, out: Path) -> None:
    peft = _peft()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", local_files_only=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=_WRONG_BASE)
            adapted = peft.PeftModel.from_pretrained(model, adapter)
        _check_fits(peft, adapted, adapter)
        adapted.merge_and_unload().save_pretrained(out)
        for path in weight_files(out):
            path.chmod(0o644)  # safetensors makes it readable for its owner alone.
    except (OSError, ValueError, RuntimeError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"members.{name}: the LoRA adapter {adapter} cannot be merged into {base}: {reason}",
            hint="Is that the model that it was trained on? `adapter_of` names another.",
        ) from error
    own = any((adapter / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json"))
    for file in TOKENIZER_FILES:
        source = adapter if own and file != "generation_config.json" else base
        if (source / file).is_file():
            shutil.copyfile(source / file, out / file)
    template = next((p for p in (adapter, base) if (p / _TEMPLATE).is_file()), None)
    if template:
        shutil.copyfile(template / _TEMPLATE, out / _TEMPLATE)


def _check_fits(peft: Any, adapted: Any, adapter: Path) -> None:
    """Peft leaves out matrices for layers that the model lacks, without a word."""
    made = set(peft.get_peft_model_state_dict(adapted, save_embedding_layers=False))
    for path in adapter.glob("*.safetensors"):
        with safe_open(path, framework="pt") as tensors:
            lost = [key for key in tensors.keys() if ".lora_" in key and key not in made]  # noqa: SIM118
        if lost:
            raise ValueError(f"the model has no place for {len(lost)} of its tensors: {lost[0]}")


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise ConfigError(
            "Merging a LoRA adapter into its base needs the package peft.",
            hint="pip install peft",
        ) from error


def _write_record(path: Path, record: Mapping[str, str]) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps({**config, RECORD: dict(record)}, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")


def _digest(adapter: Path) -> str:
    digest = hashlib.sha256()
    for path in (adapter / _ADAPTER, *weight_files(adapter)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
