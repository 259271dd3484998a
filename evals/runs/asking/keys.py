"""What makes two calls the same: the expert's version, and everything that it is asked."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from evals.fitting.versions import expert_version
from experts.spec import ExpertSpec, HostedSpec, ReplaySpec, VllmSpec
from experts.types import Request

_RECORDED = ("queries", "responses")


def call_key(version: str, request: Request, repeat: int = 0) -> bytes:
    """A digest, 32 bytes, of a call; the order of the body's keys does not matter.

    `repeat` numbers calls that are alike in everything else and yet shall differ: samples that
    nobody gave a seed.
    """
    whole = [version, request.operation, dict(request.body), repeat]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def is_drawn(request: Request) -> bool:
    """Whether the same request may get another answer: it samples, and has no seed."""
    body = request.body
    return body.get("seed") is None and body.get("temperature") != 0


def answer_versions(experts: Mapping[str, ExpertSpec]) -> dict[str, str]:
    """Expert -> what changes whenever its answers may: weights, role, and how its engine runs."""
    return {name: _version(name, experts) for name in experts}


def _version(name: str, experts: Mapping[str, ExpertSpec]) -> str:
    spec, own = experts[name], expert_version(name, experts)
    if isinstance(spec, HostedSpec) and spec.base is not None:
        spec = experts[spec.base]
    if isinstance(spec, VllmSpec) and spec.engine_args:
        # Quantisation, a shorter context and the like change what the same weights say.
        return f"{own} with {_digest(repr(sorted(spec.engine_args.items())))}"
    if isinstance(spec, ReplaySpec):
        files = (Path(f"{spec.recording}_{table}.parquet") for table in _RECORDED)
        return f"{own} of {_digest(repr([_stamp(file) for file in files]))}"
    return own


def _stamp(file: Path) -> tuple[int, int]:
    """Size and date of a recording; it is checked where it is read."""
    if not file.exists():
        return (0, 0)
    found = file.stat()
    return (found.st_size, found.st_mtime_ns)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
