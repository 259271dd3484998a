"""What a fused folder's config.json may say, and the mistakes that are named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from experts.errors import ConfigError
from experts.fused.folder.folder_config import MODEL_TYPE, CompositeConfig, parse, read
from experts.fused.folder.methods.contrast import Contrast
from experts.fused.folder.methods.fusion_route import FusionRoute

Fused = Callable[..., dict[str, Any]]
HEARD = {"name": "a+b", "primary": "a", "active": ["a", "b"]}
LAYERS = {"stacks": 3, "places": [0, 2], "shared_width": 64, "heads": 4}
PLUS = {"name": "x", "plus": "a"}


def test_roles_have_defaults(fused: Fused) -> None:
    route = parse(fused("CoterieFusionRoute", [{"name": "x"}]))
    self_contrast = parse(fused("CoterieSelfContrast", [{"name": "x"}]))

    assert isinstance(route, FusionRoute)
    assert (route.roles[0].expert, route.roles[0].router_logits) == (None, True)
    assert self_contrast.roles[0].model_dump() == {
        "name": "x",
        "beta": 0.5,
        "alpha": 0.1,
        "rank": 2,
    }


def test_members_keep_the_order_of_the_file(fused: Fused) -> None:
    members = {name: {"path": "x", "config": {}} for name in ("z", "a", "m")}
    composite = parse(fused("CoterieContrast", [PLUS], members=members))

    assert list(composite.members) == ["z", "a", "m"]


@pytest.mark.parametrize("name", ["1", "2.5-7b", "keys", "forward"])
def test_a_member_s_module_name_is_no_integer_no_method_and_has_no_dot(
    fused: Fused, name: str
) -> None:
    members = {name: {"path": "x", "config": {}}}
    (key,) = parse(
        fused("CoterieContrast", [{"name": "x", "plus": name}], members=members)
    ).keys.values()

    assert "." not in key
    assert not key.isdigit()
    assert not hasattr(dict, key)


@pytest.mark.parametrize(
    ("architecture", "roles", "changes", "complaint"),
    [
        ("CoterieContrast", [PLUS, PLUS], {}, "two roles have the same name"),
        ("CoterieContrast", [{"name": "x", "plus": "c"}], {}, "roles name unknown members: c"),
        (
            "CoterieContrast",
            [{**PLUS, "minus": [["a", "c"], 1.0]}],
            {},
            "roles name unknown members: c",
        ),
        ("CoterieContrast", [{**PLUS, "minus": [["a", "b"], "inf"]}], {}, "finite number"),
        ("CoterieContrast", [{**PLUS, "alpha": 1.5}], {}, "roles.0.alpha"),
        ("CoterieContrast", [{**PLUS, "beta": 1}], {}, "roles.0.beta: Extra inputs"),
        ("CoterieContrast", [PLUS], {"role_token_ids": []}, "1 roles need as many"),
        ("CoterieContrast", [PLUS], {"role_token_ids": [1]}, "must all differ"),
        ("CoterieContrast", [PLUS], {"role_token_ids": [100]}, "below vocab_size 100"),
        ("CoterieContrast", [], {}, "roles: "),
        ("CoterieContrast", [{"name": "a b", "plus": "a"}], {}, "roles.0.name"),
        ("CoterieContrast", [PLUS], {"members": {"a/b": {"path": "x", "config": {}}}}, "letters"),
        (
            "CoterieContrast",
            [{"name": "x", "plus": "a.b"}],
            {"members": {name: {"path": "x", "config": {}} for name in ("a.b", "a_b")}},
            "differ only in their punctuation",
        ),
        (
            "CoterieFusionRoute",
            [{"name": "x", "expert": "none", "router_logits": False}],
            {},
            "neither an expert nor the router",
        ),
        ("CoterieFusionRoute", [{"name": "x"}], {"router": None}, "router: "),
        (
            "CoterieSelfContrast",
            [{"name": "x", "rank": 5}],
            {},
            "rank 5, but the member has only 4",
        ),
        ("CoterieSelfContrast", [{"name": "x", "rank": 0}], {}, "roles.0.rank"),
        (
            "CoterieSelfContrast",
            [{"name": "x"}],
            {"members": {"a": {"path": "x", "config": {}}}},
            "the member is dense",
        ),
        *(
            ("CoterieMixtureOfThoughts", [HEARD], {**LAYERS, **changes}, complaint)
            for changes, complaint in [
                ({"places": [2, 1]}, "places must be in ascending order"),
                ({"places": [3]}, "places must be stacks from 0 to 2"),
                ({"heads": 3}, "is not a multiple of 3 heads"),
                ({"attention": "sequence"}, "heads of 16 numbers have no KV cache in vLLM"),
                ({"listeners": ["c"]}, "listeners name unknown members: c"),
                ({"listeners": ["a"]}, "a listener cannot be the primary"),
            ]
        ),
    ],
)
def test_mistakes_are_named(
    fused: Fused,
    architecture: str,
    roles: list[dict[str, Any]],
    changes: dict[str, Any],
    complaint: str,
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse(fused(architecture, roles, **changes))


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        read(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="does not describe a composite"):
        read(tmp_path)


def test_transformers_reads_the_file_and_learns_of_mixtures(fused: Fused, tmp_path: Path) -> None:
    AutoConfig.register(MODEL_TYPE, CompositeConfig, exist_ok=True)
    content = fused("CoterieSelfContrast", [{"name": "x"}], torch_dtype="float16")
    (tmp_path / "config.json").write_text(json.dumps(content))
    found = AutoConfig.from_pretrained(tmp_path)

    assert found.composite == read(tmp_path)
    assert found.num_local_experts == 4
    assert str(found.dtype) == "torch.float16"
    assert isinstance(parse(fused("CoterieContrast", [PLUS])), Contrast)
