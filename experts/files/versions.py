"""What tells one version of an expert from another, so that old answers are not taken for new."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from experts.spec import ExpertSpec, HostedSpec, OpenAISpec, OwnSpec, ReplaySpec, VllmSpec

# Weights can be tens of gigabytes; a retrained model differs in these bytes as well.
EDGE_BYTES = 1 << 20
_RECORDED = ("queries", "responses")
_PATTERNS = ("*.json", "*.jinja", "*.safetensors", "*.bin", "*.pt")


def expert_version(name: str, experts: Mapping[str, ExpertSpec]) -> str:
    """A short text that changes when the expert's weights, tokenizer or remote model do.

    Or what it is told before every question, and how it samples.
    """
    spec = experts[name]
    role = {"system": spec.system, **spec.defaults.given}
    if spec.system is None:
        role.pop("system")
    model = _model_version(name, experts)
    if not role:
        return model
    return f"{model} as {hashlib.sha256(repr(sorted(role.items())).encode()).hexdigest()[:12]}"


def _model_version(name: str, experts: Mapping[str, ExpertSpec]) -> str:
    spec = experts[name]
    if isinstance(spec, OpenAISpec):
        return f"{spec.model} at {spec.base_url}"
    if isinstance(spec, ReplaySpec):
        return f"{spec.model} in {spec.recording}"
    if isinstance(spec, OwnSpec):  # A digest: a key may be secret.
        keys = hashlib.sha256(repr(sorted(spec.keys.items())).encode()).hexdigest()
        return f"{spec.type} {keys[:12]}"
    if isinstance(spec, VllmSpec) and spec.same_as is not None:
        return _model_version(spec.same_as, experts)
    folder = Path(spec.model)
    own = _fingerprint(folder) if folder.is_dir() else spec.model
    return f"{own} on {_model_version(spec.base, experts)}" if spec.base else own


def _fingerprint(folder: Path) -> str:
    """Of the names, sizes, first and last bytes of a model's files; never of their dates."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _PATTERNS for path in folder.glob(pattern)):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        for piece in _edges(path):
            digest.update(piece)
    return digest.hexdigest()[:12]


def _edges(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        yield file.read(EDGE_BYTES)
        file.seek(max(size - EDGE_BYTES, 0))
        yield file.read(EDGE_BYTES)


def answer_versions(experts: Mapping[str, ExpertSpec]) -> dict[str, str]:
    """Expert -> what changes whenever its answers may: weights, role, and how its engine runs."""
    return {name: _answer_version(name, experts) for name in experts}


def told_versions(experts: Mapping[str, ExpertSpec]) -> dict[str, str]:
    """The same as digests, for clients: addresses and names of models are nobody's business."""
    return {name: _digest(version) for name, version in answer_versions(experts).items()}


def _answer_version(name: str, experts: Mapping[str, ExpertSpec]) -> str:
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
