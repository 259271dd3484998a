"""Models by their id on the Hugging Face hub: whether the network is used, and what to say if not.

Imported before anything that imports huggingface_hub, which reads its environment only then.
"""

import math
import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

Offline = bool | Literal["auto"]
KEEP_S = 60.0
"""For how long a hub that did not answer is not asked again."""


def is_hub_id(model: str) -> bool:
    """Whether a model is named by its id, not by its folder."""
    return not Path(model).is_absolute()


def cached(model: str) -> bool:
    """Whether this machine has the model's configuration, and so, as a rule, the model."""
    return snapshot(model) is not None


def snapshot(model: str) -> Path | None:
    """The folder with a model's files on this machine, its newest; None where there is none."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    folder = hub / f"models--{model.replace('/', '--')}"
    found = folder.glob("snapshots/*/config.json")
    return max((file.parent for file in found), key=lambda one: one.stat().st_mtime, default=None)


def stays_offline(offline: Offline, models: Iterable[str]) -> bool:
    """Whether nothing is downloaded. `auto`: unless a model is neither a folder nor cached."""
    if offline != "auto":
        return offline
    return all(cached(model) for model in models if is_hub_id(model))


class Hub:
    """The hub as a slot sees it: whether it answers is asked once in a while, and quickly."""

    def __init__(
        self, timeout_s: float, clock: Callable[[], float] = time.monotonic, keep_s: float = KEEP_S
    ) -> None:
        """`timeout_s` bounds one question, `keep_s` is for how long a silence is remembered."""
        self._timeout_s = timeout_s
        self._clock = clock
        self._keep_s = keep_s
        self._silent_until = -math.inf

    def fetch_config(self, model: str) -> None:
        """Make sure that a model can be had: download its configuration, its smallest file.

        Raises RuntimeError, in one line, where the model is not on this machine and cannot be had.
        """
        if not is_hub_id(model):
            return
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            if cached(model):
                return
            raise RuntimeError(
                f"{model} is neither a folder nor in the Hugging Face cache of this machine, and"
                " nothing is downloaded (slots.offline). Name a folder with its weights, or set"
                " slots.offline: false."
            )
        silent = not self._answers()
        # Its own attempts take half a minute, for each of a model's files, cached or not.
        constants: Any = import_module("huggingface_hub.constants")
        constants.HF_HUB_OFFLINE = silent
        if cached(model):
            return
        if silent:
            raise RuntimeError(
                f"{model} is no folder, and {endpoint()} does not answer within"
                f" {self._timeout_s:g} s (slots.hub_timeout_s). Name a folder with its weights, or"
                " see to the network and HF_ENDPOINT."
            )
        try:
            hub = import_module("huggingface_hub")
            hub.hf_hub_download(model, "config.json", etag_timeout=10)
        except Exception as error:  # It has a dozen classes for that, and lets httpx's through.
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise RuntimeError(
                f"{model} is no folder, and cannot be had from the Hugging Face hub ({reason})."
                " Name a folder with its weights, or see to the network, HF_ENDPOINT and HF_TOKEN."
            ) from error

    def _answers(self) -> bool:
        if self._clock() < self._silent_until:
            return False
        if accepts(*_first_hop(), self._timeout_s):
            return True
        self._silent_until = self._clock() + self._keep_s
        return False


def endpoint() -> str:
    """Where the hub is."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def accepts(host: str, port: int, timeout_s: float) -> bool:
    """Whether something accepts connections there; finding its address is bounded, too."""
    found = Event()

    def connect() -> None:
        with suppress(OSError), socket.create_connection((host, port), timeout_s):
            found.set()

    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return found.is_set()


def _first_hop() -> tuple[str, int]:
    """The host to which a request to the hub is sent first: its own, or a proxy's."""
    parts = urlsplit(endpoint())
    proxies = {} if proxy_bypass(parts.hostname or "") else getproxies()
    if proxy := proxies.get(parts.scheme) or proxies.get("all"):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
