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
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from transformers import CONFIG_MAPPING, PreTrainedConfig

from experts.errors import ConfigError
from experts.fused.composites.fusion_route.speaker import MOST_SPEAKERS

MODEL_TYPE = "coterie_composite"
PAST_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Numbers of a head for which vLLM's kernels on every device keep a past."""
MAX_ROLES = 256
"""The role travels in a column of the hidden states: bfloat16 counts exactly up to here."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
SHAPE = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    "max_position_embeddings",
)
"""What every language model's configuration says."""
NOBODY = "none"
"""What a role of FusionRoute says where no expert joins the router's own logits."""


def past_problem(attention: str, size: int) -> str | None:
    """What is wrong with heads of `size` numbers in a Mixture of Thoughts that vLLM serves."""
    if attention != "sequence" or size in PAST_SIZES:
        return None
    sizes = ", ".join(map(str, PAST_SIZES))
    return f"heads of {size} numbers keep no past in vLLM, which knows {sizes}"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Part):
    """A language model that takes part, served from its own checkpoint."""

    path: str = Field(min_length=1)
    config: dict[str, Any]
    fingerprint: str | None = None
    """Of the checkpoint that trained weights of the composite belong to."""

    @property
    def experts(self) -> int:
        """How many experts a mixture of experts has; 0 for a dense model."""
        names = ("num_local_experts", "num_experts", "n_routed_experts")
        return max(int(self.config.get(name) or 0) for name in names)


class Role(_Part):
    """What a request asks of the composite, by the name in `chat_template_kwargs`."""

    name: str = Field(pattern=NAME)

    def members(self) -> Iterator[str]:
        """The members that the role names."""
        yield from ()


class RouteRole(Role):
    """FusionRoute (arXiv 2601.05106, section 2): the router picks an expert for every token."""

    expert: str | None = None
    """None: the expert of the largest routing weight; a name: that one; "none": no expert."""
    router_logits: bool = True
    """Whether the router's own logits are added."""

    def members(self) -> Iterator[str]:
        if self.expert not in (None, NOBODY):
            yield str(self.expert)

    @model_validator(mode="after")
    def _somebody_speaks(self) -> Self:
        if self.expert == NOBODY and not self.router_logits:
            raise ValueError("neither an expert nor the router would speak")
        return self


class ContrastRole(Role):
    """Contrastive decoding (arXiv 2210.15097) and proxy tuning (arXiv 2401.08565).

    z = z_plus + w (z_b - z_c), of the tokens that are plausible for `plus` alone.
    """

    plus: str
    minus: tuple[tuple[str, str], float] | None = None
    """((b, c), w); None is `plus` alone."""
    alpha: float = Field(0.0, ge=0, le=1)
    """A token is plausible at this share of the likeliest one's probability; 0: every token."""

    def members(self) -> Iterator[str]:
        yield self.plus
        if self.minus:
            yield from self.minus[0]

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if self.minus and not math.isfinite(self.minus[1]):
            raise ValueError("the weight of `minus` must be a finite number")
        return self


class SelfContrastRole(Role):
    """SCMoE (arXiv 2405.14507): (1 + beta) z_strong - beta z_weak; beta 0 is the plain model."""

    beta: float = Field(0.5, ge=0, le=10)
    alpha: float = Field(0.1, ge=0, le=1)
    """As in `ContrastRole`; without effect where beta is 0."""
    rank: int = Field(2, ge=1)
    """The weak stream hears only the expert of the rank-th largest gate value, from 1."""


class ThoughtsRole(Role):
    """Mixture of Thoughts (arXiv 2509.21164): who takes part in an answer, and who speaks."""

    primary: str
    active: tuple[str, ...]
    """The members that are heard, the primary among them; alone, it is the plain member."""

    def members(self) -> Iterator[str]:
        yield self.primary
        yield from self.active

    @model_validator(mode="after")
    def _primary_is_active(self) -> Self:
        if self.primary not in self.active:
            raise ValueError(f"the primary {self.primary} is not among the active members")
        return self


class Composite(_Part):
    """What every composite has. `members` keep the order of the file."""

    architecture: ClassVar[str]

    members: dict[str, Member] = Field(min_length=1)
    roles: tuple[Role, ...] = Field(min_length=1, max_length=MAX_ROLES)
    role_token_ids: tuple[int, ...]
    bos_token_id: int
    vocab_size: int = Field(ge=1)

    @property
    def keys(self) -> dict[str, str]:
        """Member name -> its name as a module, which must not hold a dot or be an integer."""
        return {name: "m_" + re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in self.members}

    @property
    def most_experts(self) -> int:
        """The largest mixture of experts among the members; 0 where all are dense."""
        return max(member.experts for member in self.members.values())

    def role(self, name: str) -> int:
        """The number of a role; raises KeyError."""
        return {role.name: number for number, role in enumerate(self.roles)}[name]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if wrong := [name for name in self.members if not re.match(NAME, name)]:
            yield f"member names must be letters, digits and . _ + -: {', '.join(wrong)}"
        if len(set(self.keys.values())) < len(self.members):
            yield "two member names differ only in their punctuation"
        names = [role.name for role in self.roles]
        if len(set(names)) < len(names):
            yield "two roles have the same name"
        unknown = {m for role in self.roles for m in role.members()} - set(self.members)
        if unknown:
            yield f"roles name no member: {', '.join(sorted(unknown))}"
        ids = self.role_token_ids
        if len(ids) != len(self.roles):
            yield f"{len(self.roles)} roles need as many role_token_ids, there are {len(ids)}"
        if len({*ids, self.bos_token_id}) < len(ids) + 1:
            yield "role_token_ids and bos_token_id must all differ"
        if not all(0 <= token < self.vocab_size for token in (*ids, self.bos_token_id)):
            yield f"role_token_ids and bos_token_id must be below vocab_size {self.vocab_size}"


class FusionRoute(Composite):
    """A router LM and a linear head that picks an expert per token."""

    architecture: ClassVar[str] = "CoterieFusionRoute"
    roles: tuple[RouteRole, ...] = Field(min_length=1, max_length=MAX_ROLES)
    router: dict[str, Any]

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if NOBODY in self.members:
            yield f'no member may be called "{NOBODY}"'
        if len(self.members) > MOST_SPEAKERS:
            yield f"at most {MOST_SPEAKERS} members"


class Contrast(Composite):
    """Logits of members, added and subtracted."""

    architecture: ClassVar[str] = "CoterieContrast"
    roles: tuple[ContrastRole, ...] = Field(min_length=1, max_length=MAX_ROLES)


class SelfContrast(Composite):
    """A mixture of experts against itself with a weaker choice of experts."""

    architecture: ClassVar[str] = "CoterieSelfContrast"
    roles: tuple[SelfContrastRole, ...] = Field(min_length=1, max_length=MAX_ROLES)

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if len(self.members) != 1:
            yield f"self-contrast has one member, not {len(self.members)}"
        elif not self.most_experts:
            yield "self-contrast needs a mixture of experts; the member is dense"
        elif (rank := max(role.rank for role in self.roles)) > self.most_experts:
            yield f"a role has rank {rank}, the member has {self.most_experts} experts"


class MixtureOfThoughts(Composite):
    """Members cut into stacks of layers, with interaction layers between them."""

    architecture: ClassVar[str] = "CoterieMixtureOfThoughts"
    roles: tuple[ThoughtsRole, ...] = Field(min_length=1, max_length=MAX_ROLES)
    stacks: int = Field(ge=2, le=64)
    places: tuple[int, ...] = Field(min_length=1)
    """The stacks, from 0, after which members interact."""
    shared_width: int = Field(ge=1)
    heads: int = Field(ge=1)
    attention: Literal["positionwise", "sequence"] = "positionwise"
    """Over the members at a position, or over all their positions up to it."""
    listeners: tuple[str, ...] = ()
    """Members with tokenizers of their own: they are heard, never speak, and vLLM cannot run
    them beside the others (`experts/torch_engine`)."""

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if list(self.places) != sorted({*self.places}):
            yield "places must rise"
        if not all(0 <= place < self.stacks for place in self.places):
            yield f"places must be stacks from 0 to {self.stacks - 1}"
        if self.shared_width % self.heads:
            yield f"shared_width {self.shared_width} is no multiple of {self.heads} heads"
        problem = past_problem(self.attention, self.shared_width // self.heads)
        if problem and not self.listeners:
            yield problem
        if unknown := set(self.listeners) - set(self.members):
            yield f"listeners name no member: {', '.join(sorted(unknown))}"
        if any(role.primary in self.listeners for role in self.roles):
            yield "a listener cannot be the primary of a role"


COMPOSITES: dict[str, type[Composite]] = {
    kind.architecture: kind for kind in (FusionRoute, Contrast, SelfContrast, MixtureOfThoughts)
}


def parse(config: Mapping[str, Any], where: str = "config.json") -> Composite:
    """Read a composite's configuration; raises ConfigError that names every mistake."""
    architecture = (config.get("architectures") or [None])[0]
    kind = COMPOSITES.get(str(architecture))
    if config.get("model_type") != MODEL_TYPE or kind is None:
        raise ConfigError(
            f"{where} describes no composite model.",
            hint=f"It needs model_type {MODEL_TYPE} and one of {', '.join(COMPOSITES)}.",
        )
    try:
        return kind.model_validate({k: config[k] for k in kind.model_fields if k in config})
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}"
            for one in error.errors()
        )
        raise ConfigError(f"{where}: {'; '.join(problems)}", problems=problems) from None


def read(folder: Path) -> Composite:
    """Read the config.json of a fused folder; raises ConfigError."""
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(f"{path} is missing.")
    return parse(json.loads(path.read_text(encoding="utf-8")), str(path))


def model_config(config: Mapping[str, Any], name: str) -> Any:
    """A member's config.json as transformers reads it.

    Raises ConfigError for what is no plain language model, and for a quantised checkpoint.
    """
    found = dict(config)
    model_type = found.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        raise ConfigError(f"{name} has a model_type that transformers does not know: {model_type}")
    if found.get("quantization_config"):
        raise ConfigError(f"{name} is quantised.", hint="Name the unquantised checkpoint.")
    read_config = CONFIG_MAPPING[model_type].from_dict(found)
    missing = [field for field in SHAPE if getattr(read_config, field, None) is None]
    if missing or not read_config.architectures:
        lacking = ", ".join(missing) or "architectures"
        raise ConfigError(f"{name} is no plain language model: its config.json lacks {lacking}.")
    return read_config


def member_folder(folder: Path, member: Member) -> Path:
    """Where a member's checkpoint is; its path may be relative to the fused folder."""
    return (folder / member.path).resolve()


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
        """The checked reading; raises ConfigError."""
        fields = {name: getattr(self, name, None) for name in _TOP_LEVEL}
        return parse({name: value for name, value in fields.items() if value is not None})


_TOP_LEVEL = (
    *("model_type", "architectures"),
    *dict.fromkeys(name for kind in COMPOSITES.values() for name in kind.model_fields),
)
