"""What `coterie profile` measures for Symbolic-MoE routers, and where it goes."""

from pathlib import Path

from repository import ROOT

from evals.fitting.symbolic_moe import wanted
from orchestrator.config.model import load_config

ZOO = ROOT / "examples" / "zoo.yaml"


def test_a_table_elsewhere_leaves_the_routers_files_alone(tmp_path: Path) -> None:
    found = wanted(load_config(ZOO))
    assert found.leads
    beside = found.beside(tmp_path / "mine.parquet")
    assert list(beside.leads.values()) == list(found.leads.values())
    for old, new in zip(found.leads, beside.leads, strict=True):
        assert new == tmp_path / f"mine-{old.name}"
    assert beside.tagging == found.tagging
