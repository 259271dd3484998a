"""What the config.json of a fused folder says, read and checked without importing vLLM.

```json
{"model_type": "coterie_composite", "architectures": ["CoterieFusionRoute"],
 "members": {"math": {"path": "../math", "config": {"the member's own": "config.json"}}},
 "roles": [{"name": "routed"}, {"name": "math", "expert": "math", "router_logits": false}],
 "role_token_ids": [6, 7], "bos_token_id": 1, "vocab_size": 741, "router": {"...": "..."}}
```

A request's role is chosen by the token at position 0: `role_token_ids[i]` stands for `roles[i]`,
every other token for `roles[0]`. The members see `bos_token_id` in its place.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedConfig

from experts.errors import ConfigError
from experts.fused.folder.composite import Composite
from experts.fused.folder.member import Member
from experts.fused.folder.methods.contrast import Contrast
from experts.fused.folder.methods.fusion_route import FusionRoute
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts
from experts.fused.folder.methods.self_contrast import SelfContrast

MODEL_TYPE = "coterie_composite"

COMPOSITES: dict[str, type[Composite]] = {
    kind.architecture: kind for kind in (FusionRoute, Contrast, SelfContrast, MixtureOfThoughts)
}


def parse(config: Mapping[str, Any], where: str = "config.json") -> Composite:
    """Read a composite's configuration; raises ConfigError that names every mistake."""
    architecture = (config.get("architectures") or [None])[0]
    kind = COMPOSITES.get(str(architecture))
    if config.get("model_type") != MODEL_TYPE or kind is None:
        raise ConfigError(
            f"{where} does not describe a composite model.",
            hint=f"It needs model_type {MODEL_TYPE} and one of {', '.join(COMPOSITES)}.",
        )
    try:
        return kind.model_validate({k: config[k] for k in kind.model_fields if k in config})
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}"
            for one in error.errors()
        )
        raise ConfigError(f"{where}: {'; '.join(problems)}", problems=problems) from None


def read(folder: Path) -> Composite:
    """Read the config.json of a fused folder; raises ConfigError."""
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(f"{path} is missing.")
    return parse(json.loads(path.read_text(encoding="utf-8")), str(path))


class CompositeConfig(PreTrainedConfig):  # type: ignore[misc]
    """The config.json of a fused folder, as transformers and vLLM hold it."""

    model_type = MODEL_TYPE

    members: dict | None = None  # type: ignore[type-arg]
    roles: list | None = None  # type: ignore[type-arg]
    role_token_ids: list | None = None  # type: ignore[type-arg]
    router: dict | None = None  # type: ignore[type-arg]
    stacks: int | None = None
    places: list | None = None  # type: ignore[type-arg]
    shared_width: int | None = None
    heads: int | None = None
    attention: str | None = None
    listeners: list | None = None  # type: ignore[type-arg]

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        # vLLM makes the process group of mixtures of experts by what the top level says.
        members = [Member.model_validate(member) for member in (self.members or {}).values()]
        most = max((member.experts for member in members), default=0)
        if most and not getattr(self, "num_local_experts", None):
            self.num_local_experts = most

    @property
    def composite(self) -> Composite:
        """The checked configuration; raises ConfigError."""
        fields = {name: getattr(self, name, None) for name in _TOP_LEVEL}
        return parse({name: value for name, value in fields.items() if value is not None})


_TOP_LEVEL = (
    *("model_type", "architectures"),
    *dict.fromkeys(name for kind in COMPOSITES.values() for name in kind.model_fields),
)
