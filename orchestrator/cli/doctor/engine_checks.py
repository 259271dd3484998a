"""Whether the installed engine is the right one for the machine, and as it was locked: pure."""

from collections.abc import Iterator

from experts.vllm.versions import PATCHED
from orchestrator.cli.doctor.engine import BUILDS, LIBRARIES, Installed
from orchestrator.cli.doctor.finding import Finding, fault, ok, warning

FEW = 4
"""Packages that are named; of more there is a number."""


def check_engine(installed: Installed, *, hosts: bool, has_gpu: bool) -> Iterator[Finding]:
    """`hosts`: whether slots of this machine run experts."""
    engine = installed.engine
    if engine is None:
        yield _missing(hosts)
        return
    version = installed.versions[BUILDS[engine]]
    found = f"vLLM {version} for {engine.upper()}"
    if not version.startswith(f"{PATCHED}."):
        advice = f"Install vLLM {PATCHED} (`make setup`): Coterie reaches into it."
        yield fault("engine", found, advice)
    elif hosts and installed.missing:
        packages = " ".join(LIBRARIES[engine][name] for name in installed.missing)
        advice = f"`apt-get install {packages}`, or what it is called on this system."
        names = " and ".join(installed.missing)
        yield fault("engine", f"{found}, which does not find {names}: no model loads", advice)
    elif engine == "cuda" and not has_gpu and hosts:
        advice = "`make setup ENGINE=cpu`, or the CPU image; or see to the GPU's driver."
        yield fault("engine", f"{found}, and this machine has no GPU", advice)
    elif engine == "cpu" and has_gpu:
        advice = "`make setup ENGINE=cuda`, or the CUDA image."
        yield warning("engine", f"{found}, and this machine has a GPU that it cannot use", advice)
    else:
        yield ok("engine", found)
    if installed.locked is not None:
        yield check_lock(installed, engine)


def _missing(hosts: bool) -> Finding:
    if hosts:
        return fault("engine", "no vLLM is installed", "`make setup`, or an image of ours.")
    return ok("engine", "none, and no expert here needs one")


def check_lock(installed: Installed, engine: str) -> Finding:
    """What is installed beside what the lock says."""
    assert installed.locked is not None
    other = sorted(
        name for name, version in installed.locked.items() if _differs(installed, name, version)
    )
    name = f"deploy/locks/{engine}.txt"
    if not other:
        return ok("lock", f"{len(installed.locked)} packages as in {name}")
    words = ", ".join(other[:FEW]) + (f" and {len(other) - FEW} more" if len(other) > FEW else "")
    return warning("lock", f"not as in {name}: {words}", "`make setup`.")


def _differs(installed: Installed, name: str, version: str) -> bool:
    """A build's own suffix does not count where the lock has none, as of torch's wheels."""
    here = installed.versions.get(name)
    return here is None or (here != version and here.partition("+")[0] != version)
