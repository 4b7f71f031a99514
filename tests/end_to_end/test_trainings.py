"""Two trainings of one recipe, from the command line to a claim that rests on both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command import call


def test_a_claim_rests_on_two_trainings(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, second = tiny / "data", tmp_path / "second"
    second.mkdir()
    for name in ("autoencoder", "evaluator", "projector"):
        for ending in ("safetensors", "json"):
            shutil.copy(tiny / "models" / f"{name}.{ending}", second)
    common = ("--dataset", data, "--models", second, "--preset", "tiny")
    assert call("train", "diffusion", "--set", "loop.seed=1", *common) == 0
    for models in (tiny / "models", second):
        few = ("--replications", 2, "--multimodality-replications", 0, "--skip-self-test", "--metric", "gallery")
        run = ("run", "--backbone", "mld", "--dataset", data, "--models", models, "--out", tmp_path / "runs")
        assert call(*run, *few) == 0
    capsys.readouterr()
    assert call("claims", tmp_path / "runs", "--format", "json") in (0, 3, 4)
    (report,) = json.loads(capsys.readouterr().out)
    measured = {claim["name"]: claim for claim in report["claims"] if claim["comparisons"]}
    assert {"table1.mld.fid", "gallery.mld"} <= set(measured)
    for claim in measured.values():
        assert claim["trainings"] == 2
        assert len(claim["runs"]) == 2
    by_training = measured["table1.mld.fid"]["comparisons"][0]["by_training"]
    assert by_training[0] != by_training[1]
