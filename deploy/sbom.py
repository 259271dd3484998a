"""Write a bill of materials for each lock, as CycloneDX, and hold it against CycloneDX's schema.

Run by `make sbom`, in the environment of deploy/locks/tools.txt.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ENGINES = ("cpu", "cuda")
OUT = Path("out/sbom")
PROGRAM = Path(sys.executable).parent / "cyclonedx-py"


def write(engine: str, folder: Path) -> Path:
    """The bill of one engine. Raises CalledProcessError."""
    target = folder / f"{engine}.cdx.json"
    command: Sequence[str] = [
        *(str(PROGRAM), "requirements", f"deploy/locks/{engine}.txt"),
        *("--pyproject", "pyproject.toml", "--spec-version", "1.6", "--output-format", "JSON"),
        *("--output-reproducible", "--output-file", str(target)),
    ]
    subprocess.run(command, check=True)
    return target


def faults_of(text: str) -> list[str]:
    """Why a bill is none by CycloneDX's own schema."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return [] if found is None else [str(found)]


def main() -> None:
    """Write both; exit with 1 where one of them is not right."""
    OUT.mkdir(parents=True, exist_ok=True)
    for engine in ENGINES:
        target = write(engine, OUT)
        text = target.read_text(encoding="utf-8")
        if faults := faults_of(text):
            print(f"sbom: {target}: {' '.join(faults)}", file=sys.stderr)
            raise SystemExit(1)
        print(f"sbom: {target}: {len(json.loads(text)['components'])} components, valid")


if __name__ == "__main__":
    main()
