"""``leadbench ablate projector``: trains what is missing, scores all on the same latents, prints Table 6."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from records import named

from leadbench.core.errors import ResultsError, UnknownNameError
from leadbench.core.presets import PROJECTOR_VARIANTS, get_preset, projector_stage
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.results.store import RunStore
from leadbench.tasks.shared.controls import CONTROLS
from leadbench.tasks.t2m.ablation_table import ablation_document
from leadbench.training.stages import projector_name


def lead(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "leadbench.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ablation")
    synthesize(root / "data", SynthesisOptions(clips=400, workers=1))
    for stage in ("autoencoder", "diffusion", "evaluator", "projector"):
        done = lead("train", stage, "--dataset", root / "data", "--preset", "tiny")
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def ablated(trained: Path) -> subprocess.CompletedProcess[str]:
    before = (trained / "data" / "models" / "projector.safetensors").read_bytes()
    few = ("--replications", 2, "--multimodality-replications", 0)
    options = ("--preset", "tiny", "--guidance", 3, *few, "--out", trained / "runs")
    done = lead("ablate", "projector", "--dataset", trained / "data", *options)
    assert done.returncode == 0, done.stderr
    assert (trained / "data" / "models" / "projector.safetensors").read_bytes() == before
    return done


def test_what_is_missing_is_trained(ablated: subprocess.CompletedProcess[str], trained: Path) -> None:
    assert "projector: is there" in ablated.stderr
    for variant in PROJECTOR_VARIANTS:
        name = projector_name(None, variant)
        assert f"{name}: {'is there' if variant == 'full' else 'training'}" in ablated.stderr
        card = json.loads((trained / "data" / "models" / f"{name}.json").read_text())["config"]
        removed = [loss for loss in ("align", "rec", "var") if card[f"{loss}_weight"] == 0]
        assert removed == ([variant.removeprefix("no-")] if variant.startswith("no-") else [])
        assert card["architecture"]["architecture"] == (variant if variant in ("mlp", "skip") else "transformer")


def test_rows_are_those_of_table_6_and_differences_are_paired(
    ablated: subprocess.CompletedProcess[str], trained: Path
) -> None:
    names = ["Real", "MLD", *(f"MLD + {name}" for name in CONTROLS), "LEAD mlp (MLD)", "LEAD skip (MLD)"]
    names += ["LEAD w/o KL (MLD)", "LEAD w/o align (MLD)", "LEAD w/o rec (MLD)", "LEAD (MLD)"]
    lines = [line.split("|")[1].strip() for line in ablated.stdout.splitlines() if line.startswith("|")]
    assert lines[2:] == names
    (run,) = (trained / "runs" / "synthetic").iterdir()
    stored = RunStore(run).load()
    assert {record.row.guidance for record in stored.records if record.row.backbone} == {3.0}
    again = lead("tables", run)
    assert again.stdout == ablated.stdout
    assert "\\textbf" in lead("tables", run, "--format", "latex").stdout
    differences = json.loads(lead("tables", run, "--format", "json").stdout)["fid_differences"]
    fid = {
        row: np.array([r.metrics["fid"] for r in sorted(named(stored)[row], key=lambda r: r.replication)])
        for row in ("LEAD (MLD)", "LEAD mlp (MLD)")
    }
    expected = (fid["LEAD mlp (MLD)"] - fid["LEAD (MLD)"]).mean()
    assert differences["LEAD mlp (MLD)"]["mean"] == pytest.approx(expected)
    assert "LEAD (MLD)" not in differences


def test_a_plain_run_takes_the_whole_projector(trained: Path, ablated: subprocess.CompletedProcess[str]) -> None:
    options = ("--replications", 1, "--multimodality-replications", 0, "--out", trained / "plain")
    done = lead("run", "--dataset", trained / "data", "--backbone", "mld", "--steps", "mld=2", *options)
    assert done.returncode == 0, done.stderr
    (run,) = (trained / "plain" / "synthetic").iterdir()
    assert set(named(RunStore(run).load())) == {"Real", "Reconstruction", "MLD", "LEAD (MLD)"}
    with pytest.raises(ResultsError, match="hold no ablation"):
        ablation_document(RunStore(run).load())


def test_an_unknown_variant() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'no-align'"):
        projector_stage(get_preset("small").projector, "no-allign")
