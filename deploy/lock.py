"""Resolve one engine's environment with pip and write it as a lock of exact versions.

torchvision, torchaudio and torchcodec are left out: their builds do not match the CPU build of
torch, importing them then breaks transformers, and text models need none of them.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

LEFT_OUT = {"torchvision", "torchaudio", "torchcodec", "coterie"}
EARLIEST = ["async-timeout>=4.0.3"]
"""What packages want on early Pythons 3.11 only: redis before 3.11.3, and Debian 12 has 3.11.2."""
NO_LOCAL_WHEELS = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
TORCH = {"cpu": "torch==2.13.0+cpu", "cuda": "torch==2.13.0"}


def requirements(engine: str) -> list[str]:
    """What pyproject.toml declares for this engine, development tools included."""
    tree = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    project = tree["project"]
    extras = project["optional-dependencies"]
    build = [*tree["build-system"]["requires"], "editables"]
    declared = [*project["dependencies"], *extras[engine], *extras["zoo"]]
    return [TORCH[engine], *declared, *EARLIEST, *tree["dependency-groups"]["dev"], *build]


def resolve(engine: str, folder: Path, index: str | None) -> list[str]:
    """Lines `name==version` of everything that pip would install."""
    report = folder / f"{engine}.json"
    command = [sys.executable, "-m", "pip", "-qq", "install", "--dry-run", "--ignore-installed"]
    command += ["--report", str(report)] + (["--extra-index-url", index] if index else [])
    # A wheel of the CPU build that lies on this machine must not stand in for the CUDA build.
    environment = dict(os.environ) | (NO_LOCAL_WHEELS if engine == "cuda" else {})
    subprocess.run([*command, *requirements(engine)], check=True, env=environment)
    lines = [TORCH[engine]]
    for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
        name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
        if name not in LEFT_OUT and name != "torch":
            lines.append(f"{name}=={item['metadata']['version']}")
    if engine == "cuda" and not any(line.startswith("nvidia-nccl") for line in lines):
        raise SystemExit("lock: pip resolved torch without CUDA; is another build in its way?")
    return sorted(lines)


def main(engine: str, folder: str, index: str | None = None) -> None:
    """Write deploy/locks/<engine>.txt."""
    lines = resolve(engine, Path(folder), index)
    target = Path("deploy/locks") / f"{engine}.txt"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"lock: {target}: {len(lines)} packages")


if __name__ == "__main__":
    main(*sys.argv[1:])
