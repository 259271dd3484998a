"""Small fused folders' configurations, and the zoo that they are made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experts.fused.folder.folder_config import MODEL_TYPE
from experts.zoo import recipe

DENSE = {"model_type": "llama", "hidden_size": 8}
MIXTURE = {"model_type": "mixtral", "hidden_size": 8, "num_local_experts": 4}


@pytest.fixture
def zoo() -> Path:
    return Path(recipe.__file__).parent / "weights"


@pytest.fixture
def fused() -> Callable[..., dict[str, Any]]:
    """A config.json of two dense members, or one mixture for self-contrast, with some changes."""

    def build(architecture: str, roles: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
        members: dict[str, Any] = {name: {"path": name, "config": DENSE} for name in ("a", "b")}
        if architecture == "CoterieSelfContrast":
            members = {"a": {"path": "a", "config": MIXTURE}}
        return {
            "model_type": MODEL_TYPE,
            "architectures": [architecture],
            "members": members,
            "roles": roles,
            "role_token_ids": list(range(10, 10 + len(roles))),
            "bos_token_id": 1,
            "vocab_size": 100,
            **({"router": DENSE} if architecture == "CoterieFusionRoute" else {}),
            **changes,
        }

    return build
