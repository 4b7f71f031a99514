"""How time and memory grow: ``python benchmarks/scaling.py --png docs/performance.png --json FILE`` (some ten minutes).

Full-size networks with random weights: the loop over batch and steps, the decoder over frames, the evaluator over the
number of motions, each beside the time that the machine's best matrix product and best copy would take for the same
multiply-accumulates and for reading the weights once a step. Then whole evaluations of the embedded default with
growing test sets, each in a process of its own, with its peak memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from compare import CPU, FRAMES, GUIDANCE, condition, normal
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode

from leadbench.core.config import EvaluatorConfig
from leadbench.core.presets import get_preset
from leadbench.core.provenance import hardware
from leadbench.core.tensors import lengths_to_mask
from leadbench.engine.decode import DecodeEngine
from leadbench.engine.denoise import DenoiseEngine, Guide
from leadbench.engine.embed import embed_in_buckets
from leadbench.engine.plan import ddim_plan
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.packing import ordinary_kernels, prepared
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.timing import Probe, in_turns, probe

EVALUATE = """
import json, sys, time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from leadbench import T2MConfig, open_dataset
from leadbench.core.device import peak_memory
from leadbench.tasks.shared.registry import open_task
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import run_task
import torch
count, chunk = int(sys.argv[1]), int(sys.argv[2])
config = T2MConfig(replications=1, multimodality_replications=0, chunk=chunk)
request = RunRequest(("mld",), {"mld": (10,)}, self_test=False, config=config)
with TemporaryDirectory() as out:
    task = open_task("t2m", open_dataset(), request)
    loaded = peak_memory(CPU) / 2**20
    samples = task.samples
    copies = [replace(s, id=f"{s.id}-{i}") for i in range(-(-count // len(samples))) for s in samples][:count]
    task = replace(task, samples=copies)
    began = time.perf_counter()
    run_task(task, Path(out))
    peak = peak_memory(CPU) / 2**20
    print(json.dumps({"seconds": time.perf_counter() - began, "memory": peak, "before": loaded}))
"""


@dataclass(frozen=True)
class Point:
    """One size: seconds, the time that computing and reading alone would take, and further figures."""

    size: int
    seconds: float
    compute: float
    read: float = 0.0
    memory: float = 0.0

    @property
    def bound(self) -> float:
        """Seconds that the machine needs at least."""
        return max(self.compute, self.read)


def point(size: int, work: Callable[[], object], machine: Probe, weights: float, rounds: int = 5) -> Point:
    """Time a piece of work that reads ``weights`` bytes."""
    with torch.no_grad():
        with ordinary_kernels(), FlopCounterMode(display=False) as counter:
            work()
        taken = in_turns({"work": work}, rounds, CPU)["work"].median
    # a copy reads and writes each byte; reading alone is taken to be as fast
    return Point(size, taken, counter.get_total_flops() / machine.product / 1e9, weights / machine.copy / 1e9)


def measure(machine: Probe) -> dict[str, list[Point]]:
    """Every curve of the full-size networks."""
    models = RandomModels(get_preset("paper"))
    mld = models.official("mld")
    loop, decoder = prepared(mld.denoiser, DenoiseEngine), prepared(mld.autoencoder.network, DecodeEngine)
    embedder = EvaluatorNetworks(EvaluatorConfig()).eval().requires_grad_(False).motion
    size = 4.0 * sum(p.numel() for p in mld.denoiser.encoder.parameters())

    def sample(batch: int, steps: int) -> Point:
        noise, guide = normal("noise", batch, 1, 256), Guide(condition("texts", 2 * batch), GUIDANCE)
        return point(batch, lambda: loop.sample(noise, ddim_plan(steps), guide), machine, steps * size)

    def decode(frames: int) -> Point:
        latent, mask = normal("latent", 32, 1, 256), lengths_to_mask(torch.full((32,), frames))
        return point(frames, lambda: decoder.decode(latent, mask), machine, 0.0)

    def embed(count: int) -> Point:
        lengths = torch.full((count,), FRAMES)
        features = normal("features", count, FRAMES, 263)
        return point(count, lambda: embed_in_buckets(embedder, features, lengths), machine, 0.0, 3)

    by_steps = [sample(1, steps) for steps in (1, 2, 4, 10, 25, 50)]
    return {
        "MLD's loop, 50 steps, by batch": [sample(batch, 50) for batch in (1, 2, 4, 8, 16, 32, 64)],
        "MLD's loop, batch 1, by steps": [
            Point(steps, p.seconds, p.compute, p.read) for steps, p in zip((1, 2, 4, 10, 25, 50), by_steps, strict=True)
        ],
        "decoder, batch 32, by frames": [decode(frames) for frames in (40, 80, 120, 160, 196)],
        "evaluator, 196 frames, by motions": [embed(count) for count in (32, 64, 128, 256, 512)],
    }


def evaluations(counts: Sequence[int], chunk: int) -> list[Point]:
    """Whole evaluations of the embedded default by test-set size: MLD with 10 steps, one replication."""
    found = []
    for count in counts:
        command = [sys.executable, "-c", EVALUATE, str(count), str(chunk)]
        done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        found.append(Point(count, done["seconds"], 0.0, memory=done["memory"]))
    return found


def draw(curves: dict[str, list[Point]], whole: dict[int, list[Point]], path: Path) -> None:
    """One panel for each curve, and two for whole evaluations."""
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels: list[Axes] = list(figure.subplots(2, 3).flat)
    for axes, (title, points) in zip(panels, curves.items(), strict=False):
        sizes = [p.size for p in points]
        axes.loglog(sizes, [p.seconds for p in points], "o-", label="measured", color="#0072B2")
        axes.loglog(sizes, [p.compute for p in points], "--", label="matrix products alone", color="#D55E00")
        if any(p.read for p in points):
            axes.loglog(sizes, [p.read for p in points], ":", label="copying the weights", color="#009E73")
        _label(axes, title, "seconds", sizes)
    for axes, name, unit in ((panels[4], "seconds", "seconds"), (panels[5], "memory", "peak memory, GiB")):
        for (chunk, points), style in zip(whole.items(), ("o-", "s--"), strict=True):
            values = [p.seconds if name == "seconds" else p.memory / 1024 for p in points]
            axes.plot([p.size for p in points], values, style, label=f"chunks of {chunk}")
        axes.set_ylim(bottom=0)
        _label(axes, "evaluation, by test motions", unit, [])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def _label(axes: Axes, title: str, unit: str, ticks: Sequence[int]) -> None:
    axes.set_title(title)
    axes.set_ylabel(unit)
    if ticks:
        axes.set_xticks(ticks, [str(t) for t in ticks], minor=False)
        axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--png", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine = probe(CPU)
    print(f"{hardware()}\nmatrix product {machine.product:.0f} GFLOP/s, copy {machine.copy:.1f} GB/s")
    # first: a process inherits the peak memory of the one that starts it
    whole = {chunk: evaluations((500, 1000, 2000, 4000), chunk) for chunk in (128, 32)}
    for chunk, points in whole.items():
        for p in points:
            print(f"evaluation, chunks of {chunk}: {p.size}: {p.seconds:.1f} s, {p.memory:.0f} MiB", flush=True)
    curves = measure(machine)
    for name, points in curves.items():
        for p in points:
            print(f"{name}: {p.size}: {p.seconds:.4f} s, {p.seconds / p.bound:.1f} x the bound", flush=True)
    draw(curves, whole, options.png)
    if options.json:
        content = {
            "hardware": hardware(),
            "probe": asdict(machine),
            "curves": {name: [asdict(p) for p in points] for name, points in curves.items()},
            "evaluations": {chunk: [asdict(p) for p in points] for chunk, points in whole.items()},
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
