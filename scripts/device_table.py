"""Print what the pretended device counts: the table of docs/performance.md.

python scripts/device_table.py
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from leadbench_mld.backbone import MLDBackbone
from leadbench_motionlcm.backbone import MotionLCMBackbone
from safetensors.torch import load_file
from tabulate import tabulate

from leadbench.cli.main import main
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.generation.inversion import Inverter
from leadbench.results.records import Record
from leadbench.results.store import RunStore
from leadbench.tasks.shared.chunks import ChunkedWork
from leadbench.testing.pretended import pretended_device, waits_inside
from leadbench.training.loop import Trainer
from leadbench.zoo.embedded import shipped

STAGES = (
    "autoencoder",
    "evaluator",
    "evaluator --kind tmr",
    "motionclip",
    "diffusion --text-encoder wordllama",
    "consistency --text-encoder wordllama",
    "projector --align-encoder wordllama",
)
RUN = ("run", "--backbone", "mld,motionlcm", "--steps", "1,4;mld=5", "--multimodality-replications", "0")
QUICK = ("--skip-self-test", "--chunk", "1024")
MTI = ("mti", "run", "--motions", "8", "--replications", "1", "--learning-rates", "0.3")
THREE = ("--preset", "tiny", "--set", "loop.steps=3", "--set", "loop.validate_every=3")


def call(*arguments: object) -> None:
    """Run a command; what it prints is dropped."""
    said = io.StringIO()
    with (
        patch.object(sys, "argv", ["leadbench", *map(str, arguments)]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        try:
            main()
        except SystemExit as stopped:
            if stopped.code:
                sys.exit(said.getvalue())


def records(folder: Path) -> list[Record]:
    """Of the one run below a folder."""
    (header,) = folder.rglob("run.json")
    return RunStore(header.parent).records()


def runs(root: Path) -> Iterator[tuple[str, str]]:
    """Waits, bytes and numbers of ``leadbench run``."""
    corpus = root / "corpus"
    synthesize(corpus, SynthesisOptions(clips=1000, workers=1))
    run = (*RUN, *QUICK, "--dataset", corpus, "--models", shipped().folder)
    call(*run, "--replications", "1", "--device", "cpu", "--out", root / "cpu")
    with pretended_device() as mode:
        loops = waits_inside(mode, (MLDBackbone, "sample"), (MotionLCMBackbone, "sample"))
        with loops as per_loop, waits_inside(mode, (ChunkedWork, "_one")) as per_chunk:
            call(*run, "--replications", "1", "--out", root / "1")
        moved = []
        for count in (2, 3):
            mode.reset()
            call(*run, "--replications", count, "--out", root / f"of-{count}")
            moved.append((sum(mode.waits.values()), mode.to_host + mode.to_device))
    here, there = records(root / "cpu"), records(root / "1")
    pairs = [(a.metrics["fid"], b.metrics["fid"]) for a, b in zip(here, there, strict=True)]
    worst = max(abs(a - b) / a for a, b in pairs if a and b)
    samples = here[0].details.samples or 0
    rows = len([record for record in there if record.row.source != "real"])
    embeddings = samples * 4 * (384 + 256 + (2 + rows) * 128)  # of MiniLM and WordLlama, two real draws, and the rows
    yield f"waits in each of {len(per_loop)} denoising loops", str(max(per_loop))
    yield f"waits in each of {len(per_chunk)} chunks", str(max(per_chunk))
    yield f"waits of a replication of {1 + rows} rows", str(moved[1][0] - moved[0][0])
    copied = moved[1][1] - moved[0][1]
    yield "bytes copied in a replication", f"{copied:,}: {copied / embeddings:.2f} of its embeddings"
    yield f"FID of {len(pairs)} rows, largest relative difference", f"{worst:.1e}"


def inversions(root: Path) -> Iterator[tuple[str, str]]:
    """Waits of ``leadbench mti run``."""
    with pretended_device() as mode, waits_inside(mode, (Inverter, "loss")) as per_step:
        call(*MTI, "--losses", "feat,mld,lead", "--out", root / "mti")
    yield f"waits in each of {len(per_step)} steps of inversion", str(max(per_step))


def trainings(root: Path) -> Iterator[tuple[str, str]]:
    """Waits and weights of every stage."""
    synthesize(root / "corpus", SynthesisOptions(clips=90, workers=1))
    data = ("--dataset", root / "corpus")
    for stage in STAGES:
        call("train", *stage.split(), *THREE, *data, "--models", root / "here", "--device", "cpu")
    with pretended_device() as mode, waits_inside(mode, (Trainer, "_step")) as steps:
        for stage in STAGES:
            call("train", *stage.split(), *THREE, *data, "--models", root / "there")
    worst = 0.0
    for path in sorted((root / "here").glob("*.safetensors")):
        one, other = load_file(path), load_file(root / "there" / path.name)
        largest = max(float(tensor.abs().max()) for tensor in one.values())
        worst = max(worst, *(float((one[name] - other[name]).abs().max()) / largest for name in one))
    yield f"waits in each of {len(steps)} training steps ({len(STAGES)} stages)", str(max(steps))
    yield "weights after three steps, largest difference of the largest weight", f"{worst:.1e}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for part in (runs, inversions, trainings) for row in part(Path(folder) / part.__name__)]
    print(tabulate(rows, ["on the pretended device", "counted"], tablefmt="github"))
