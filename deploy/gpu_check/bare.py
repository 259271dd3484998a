"""Start the check on a machine that has PyTorch but neither vLLM nor a network.

`python deploy/gpu_check/bare.py ARCHIVE... [-- OPTIONS OF THE CHECK]` unpacks the archives that are
there into a folder outside the repository, makes our vLLM plugin known, and starts the check with
Python's standard library alone. Archives that were unpacked by an earlier call need not be there
again. As long as Ray is missing, which comes with the second archive, it only looks at the
environment. The report and the logs, in one archive, are put into the folder of --out, or $OUT.
"""

import argparse
import compileall
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KIT = Path(tempfile.gettempdir()) / "coterie-kit"
PYTHON = (3, 12)
"""The archives hold compiled modules for it."""
REPORT, LOGS = "report.json", "logs.tar.gz"
POLL_S = 2.0
UNPACKED = ".unpacked"
FIXED = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONUNBUFFERED": "1",
}


def main(words: Sequence[str] | None = None) -> int:
    """Unpack and run; returns the check's exit code."""
    parser = argparse.ArgumentParser(prog="bare.py", description=__doc__.partition("\n")[0])
    parser.add_argument("archives", type=Path, nargs="*", metavar="ARCHIVE")
    parser.add_argument("--kit", type=Path, default=KIT, help=f"where to unpack (default: {KIT})")
    default_out = Path(os.environ.get("OUT", "out/gpu-check"))
    parser.add_argument("--out", type=Path, default=default_out, help="for the report and the logs")
    own, passed = split(sys.argv[1:] if words is None else words)
    options = parser.parse_args(own)
    if sys.version_info[:2] != PYTHON:
        print(f"bare.py: the archives need Python {'.'.join(map(str, PYTHON))}", file=sys.stderr)
        return 2
    unpack(options.archives, options.kit)
    if not (options.kit / "vllm").is_dir():
        print(f"bare.py: there is no vLLM in {options.kit}: name its archive", file=sys.stderr)
        return 2
    write_plugin(options.kit)
    if not (options.kit / "ray").is_dir() and not passed:
        passed = ["--only", "environment"]
    return check(options.out, options.kit, passed)


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and those after `--`, which are for the check."""
    given = list(words)
    if "--" not in given:
        return given, []
    place = given.index("--")
    return given[:place], given[place + 1 :]


def unpack(archives: Sequence[Path], kit: Path) -> None:
    """Unpack each archive that is there and was not unpacked before."""
    kit.mkdir(parents=True, exist_ok=True)
    for archive in archives:
        done = kit / f"{UNPACKED}-{archive.name}"
        if done.exists():
            print(f"bare.py: {archive.name} was unpacked before", flush=True)
        elif not archive.is_file():
            print(f"bare.py: {archive} is not there", flush=True)
        else:
            with tarfile.open(archive) as packed:
                # Python before 3.11.4 has no filters; the archives are our own.
                packed.extraction_filter = getattr(tarfile, "data_filter", None)
                packed.extractall(kit)  # noqa: S202
            make_executable(kit)
            # Once, on all cores, instead of in each of the processes that start at the same time.
            compileall.compile_dir(kit, quiet=2, workers=0)
            done.touch()
            print(f"bare.py: {archive.name} unpacked into {kit}", flush=True)


def make_executable(kit: Path) -> None:
    """Let programs run, such as Ray's: archives of wheels do not say which files are programs."""
    for path in kit.rglob("*"):
        if not path.suffix and path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    path.chmod(0o755)


def write_plugin(kit: Path) -> None:
    """Write what pip would: the metadata by which vLLM finds our composites."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    folder = kit / f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def environment(kit: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of the check: those that are set already stay, but for the path."""
    paths = [str(kit), str(ROOT), *filter(None, [given.get("PYTHONPATH")])]
    sampler = {} if has_flashinfer(kit) else {"VLLM_USE_FLASHINFER_SAMPLER": "0"}
    return {**FIXED, **sampler, **given, "PYTHONPATH": os.pathsep.join(paths)}


def has_flashinfer(kit: Path) -> bool:
    """Whether it is there: vLLM takes that for granted unless it is told to do without."""
    return (kit / "flashinfer").is_dir() or importlib.util.find_spec("flashinfer") is not None


def check(out: Path, kit: Path, passed: Sequence[str]) -> int:
    """Run the check; whatever it has found lies in `out` after every step."""
    out.mkdir(parents=True, exist_ok=True)
    logs = Path(tempfile.mkdtemp(prefix="coterie-gpu-check-logs-"))
    command = [sys.executable, "-m", "deploy.gpu_check", "--out", str(logs), *passed]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(kit, os.environ), start_new_session=True
    )
    # The check ends its own steps; what it has found by then is still brought home.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: process.terminate())
    seen = 0.0
    while True:
        try:
            code = process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            seen = bring_home(logs, out, seen)
            continue
        bring_home(logs, out, seen=0.0)
        shutil.rmtree(logs)
        print(f"bare.py: {REPORT} and {LOGS} are in {out}")
        return code


def bring_home(logs: Path, out: Path, seen: float) -> float:
    """Copy the report and pack the logs where the report is newer than `seen`; returns its time."""
    report = logs / REPORT
    changed = report.stat().st_mtime if report.is_file() else 0.0
    if changed > seen:
        shutil.copyfile(report, out / REPORT)
        with tarfile.open(out / LOGS, "w:gz") as packed:
            for path in sorted(logs.glob("*.log")):
                packed.add(path, path.name)
    return max(changed, seen)


if __name__ == "__main__":
    sys.exit(main())
