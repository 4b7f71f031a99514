"""A sweep on a Ray cluster of three machines, pretended on this one, of which one dies at a random moment.

    python benchmarks/cluster_faults.py --runs 10

Every run must end with the records of a run in one process: the same runs, the same numbers, none twice, none missing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SWEEP = Path(__file__).resolve().parent.parent / "sweeps" / "quick.toml"
NODES = 3


@dataclass(frozen=True)
class Result:
    """One run of the sweep on a cluster.

    Attributes:
        seconds: that it took.
        killed_at: seconds after its beginning at which a machine died.
        records: that it stored.
        problems: what differs from the run in one process; empty: nothing.
    """

    seconds: float
    killed_at: float
    records: int
    problems: tuple[str, ...]


def sweep(folder: Path, *more: str, description: Path = SWEEP) -> subprocess.Popen[bytes]:
    """Start the sweep in a folder of its own."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "leadbench", "--quiet", "sweep", "run", str(description), *more]
    return subprocess.Popen(command, cwd=folder)


def stored(folder: Path) -> dict[str, list[str]]:
    """Records of every run below a folder: what was measured, without times; by the run folder's name."""
    found = {}
    for file in sorted((folder / "runs").rglob("records.jsonl")):
        if ".sweep" not in file.parts:
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            kept = [{k: line[k] for k in ("row", "replication", "seed", "metrics", "evaluator")} for line in lines]
            found[file.parent.name] = sorted(json.dumps(one, sort_keys=True) for one in kept)
    return found


def on_cluster(folder: Path, reference: dict[str, list[str]], kill_at: float, choose: Callable[[int], int]) -> Result:
    """Run the sweep on three machines of one core each; one of them dies ``kill_at`` seconds after the beginning."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes: list[Any] = [cluster.add_node(num_cpus=1) for _ in range(NODES)]
    cluster.wait_for_nodes()
    began = time.monotonic()
    child = sweep(folder, "--cluster", cluster.address)
    victim = nodes[choose(len(nodes))]
    timer = threading.Timer(kill_at, lambda: cluster.remove_node(victim, allow_graceful=False))
    timer.start()
    code = child.wait()
    timer.cancel()
    seconds = time.monotonic() - began
    cluster.shutdown()
    found = stored(folder)
    problems = [f"exit code {code}"] if code else []
    problems += [f"{name}: only on one side" for name in sorted(set(found) ^ set(reference))]
    problems += [
        f"{name}: other records" for name in sorted(set(found) & set(reference)) if found[name] != reference[name]
    ]
    return Result(seconds, kill_at, sum(map(len, found.values())), tuple(problems))


def main() -> None:
    """Print one line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--work", type=Path, default=Path("build/cluster-faults"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    shutil.rmtree(given.work, ignore_errors=True)
    began = time.monotonic()
    if code := sweep(given.work / "reference").wait():
        sys.exit(f"the run in one process ended with {code}")
    whole = time.monotonic() - began
    reference = stored(given.work / "reference")
    print(f"one process: {whole:.0f} s, {len(reference)} runs, {sum(map(len, reference.values()))} records", flush=True)
    draw = random.Random(given.seed)
    results = []
    for number in range(1, given.runs + 1):
        result = on_cluster(given.work / str(number), reference, draw.uniform(5, 0.4 * whole), draw.randrange)
        results.append(result)
        verdict = "; ".join(result.problems) or "as in one process"
        ended = "" if result.killed_at < result.seconds else " (after the end)"
        print(
            f"run {number}: a machine died after {result.killed_at:.0f} s{ended}; {result.seconds:.0f} s, "
            f"{result.records} records, {verdict}",
            flush=True,
        )
    good = sum(not result.problems for result in results)
    print(f"{good} of {len(results)} complete, nothing twice, nothing lost")
    sys.exit(good < len(results))


if __name__ == "__main__":
    main()
