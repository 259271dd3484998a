"""What is looked at for a fused expert, an adapter, and a hub id."""

import json
from pathlib import Path

from experts.footprint.adapter_rank import adapter_rank
from experts.footprint.checkpoint import read_weights
from experts.footprint.files import look
from experts.footprint.plan import Model

ZOO = Path(__file__).parents[3] / "experts" / "zoo" / "weights"


def test_a_fused_expert_has_its_members_weights() -> None:
    own, whole = read_weights(ZOO / "fusion_route"), look(str(ZOO / "fusion_route")).weights
    members = [read_weights(ZOO / name) for name in ("arithmetic", "strings")]
    assert own is not None
    assert whole is not None
    assert whole.convertible > own.convertible + sum(m.convertible for m in members if m)


def test_an_adapters_rank_is_read_and_nonsense_is_not(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 16}))
    assert adapter_rank(tmp_path) == 16
    (tmp_path / "adapter_config.json").write_text("[")
    assert adapter_rank(tmp_path) is None


def test_nothing_is_known_of_a_hub_id() -> None:
    assert look("org/model") == Model()
