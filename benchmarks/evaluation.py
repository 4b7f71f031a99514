"""A whole evaluation of this tree beside that of an earlier revision: ``python benchmarks/evaluation.py REVISION``.

Both run ``leadbench run --quick`` on the embedded default in turns, in this environment; this tree twice: as a first
run, which encodes every caption, and as any later one, which finds their embeddings kept. Then records are compared as
two machines' would be: FID within 1 %, R-precision within 2 ranks in 1,000.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from leadbench.core.provenance import hardware
from leadbench.results.records import Record
from leadbench.results.store import RunStore

ROOT = Path(__file__).resolve().parent.parent
FLIPS = 0.002


def run(tree: Path, out: Path, arguments: list[str], **settings: str) -> float:
    """Seconds of one evaluation by the code of a tree, start of the process included."""
    command = [sys.executable, "-m", "leadbench.cli.main", "run", *arguments, "--quick", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'plugins'}", **settings}
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=out.parent, env=environment, capture_output=True)
    return time.perf_counter() - began


def records(out: Path) -> dict[str, Record]:
    """By key."""
    (header,) = out.glob("*/*/run.json")
    return {record.key: record for record in RunStore(header.parent).records()}


def differences(first: dict[str, Record], second: dict[str, Record]) -> tuple[float, float]:
    """Largest relative difference of FID and largest difference of R-precision over all records.

    Raises SystemExit where they are not of the same keys.
    """
    if first.keys() != second.keys():
        raise SystemExit(f"other records: {sorted(first.keys() ^ second.keys())[:3]}")
    fid, rank = 0.0, 0.0
    for key, record in first.items():
        for name, value in record.metrics.items():
            other = second[key].metrics[name]
            if value is None or other is None:
                continue
            if name == "fid":
                fid = max(fid, abs(value - other) / abs(value))
            if name.startswith("r_precision"):
                rank = max(rank, abs(value - other))
    return fid, rank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("--backbone", default="mld,motionlcm")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    arguments = ["--backbone", options.backbone, "--steps", "1,2,4"]
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", before, options.revision], check=True)
        ways: dict[str, tuple[Path, dict[str, str]]] = {
            "before": (before, {}),
            "first run": (ROOT, {"LEADBENCH_KEEP_CAPTIONS": "0"}),
            "later run": (ROOT, {}),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        try:
            run(ROOT, Path(folder) / "untimed", arguments)  # keeps captions
            for number in range(options.rounds):
                for name, (tree, settings) in ways.items():
                    taken[name].append(run(tree, Path(folder) / f"{name}-{number}", arguments, **settings))
                    print(f"{name}: {taken[name][-1]:.1f} s", flush=True)
            found = [records(Path(folder) / f"{name}-0") for name in ways]
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", before], check=True)
    fid, rank = (max(pair) for pair in zip(*(differences(found[0], other) for other in found[1:]), strict=True))
    print(f"{hardware()}\n{options.backbone}, least of each:")
    for name in list(ways)[1:]:
        print(f"{name}: {min(taken['before']) / min(taken[name]):.2f} times faster")
    print(f"largest difference: FID {fid:.1e} of its value, R-precision {rank:.1e}")
    if fid > 0.01 or rank > FLIPS:
        raise SystemExit("more than two machines may differ by")


if __name__ == "__main__":
    main()
