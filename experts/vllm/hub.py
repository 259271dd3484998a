"""Models by their id on the Hugging Face hub: whether the network is used, and what to say if not.

Imported before anything that imports huggingface_hub, which reads its environment only then.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Literal

Offline = bool | Literal["auto"]


def is_hub_id(model: str) -> bool:
    """Whether a model is named by its id, not by its folder."""
    return not Path(model).is_absolute()


def cached(model: str) -> bool:
    """Whether this machine has the model's configuration, and so, as a rule, the model."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    folder = hub / f"models--{model.replace('/', '--')}"
    return any(folder.glob("snapshots/*/config.json"))


def stays_offline(offline: Offline, models: Iterable[str]) -> bool:
    """Whether nothing is downloaded. `auto`: unless a model is neither a folder nor cached."""
    if offline != "auto":
        return offline
    return all(cached(model) for model in models if is_hub_id(model))


def fetch_config(model: str) -> None:
    """Make sure that a model can be had: download its configuration, the smallest of its files.

    Raises RuntimeError, in one line, where the model is not on this machine and cannot be had.
    """
    if not is_hub_id(model) or cached(model):
        return
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise RuntimeError(
            f"{model} is neither a folder nor in the Hugging Face cache of this machine, and"
            " nothing is downloaded (slots.offline). Name a folder with its weights, or set"
            " slots.offline: false."
        )
    hub = import_module("huggingface_hub")
    try:
        hub.hf_hub_download(model, "config.json", etag_timeout=10)
    except Exception as error:  # It has a dozen classes for that, and lets httpx's through.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RuntimeError(
            f"{model} is no folder, and cannot be had from the Hugging Face hub ({reason})."
            " Name a folder with its weights, or see to the network, HF_ENDPOINT and HF_TOKEN."
        ) from error
