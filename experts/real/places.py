"""Where the model, its adapters and their questions lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "deploy" / "locks" / "real.txt"
PACKAGES = ROOT / "out" / "real" / "packages"
MODEL = ROOT / "out" / "real" / "smollm2"
EXAMPLE = ROOT / "examples" / "real"
ADAPTERS = EXAMPLE / "adapters"
TASKS = EXAMPLE / "tasks"
