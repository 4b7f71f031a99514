"""From import to a table in ten lines, and each function on arrays of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from command import call

import leadbench
from leadbench.core.errors import DataError, LatentMismatchError, ResultsError, UnknownNameError

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there() -> None:
    for name in leadbench.__all__:
        assert getattr(leadbench, name) is not None
    assert set(leadbench.__all__) <= set(dir(leadbench))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        leadbench.nothing  # noqa: B018


def test_importing_it_and_hookimpl_wait_for_no_torch() -> None:
    code = "import sys, leadbench; leadbench.hookimpl; leadbench.__version__; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_from_import_to_a_table(tmp_path: Path) -> None:
    config = leadbench.T2MConfig.quick(replications=1, multimodality_replications=0)
    results = leadbench.run("motionlcm", steps=[1], config=config, out=tmp_path)
    assert "| LEAD (MotionLCM)" in results.table()
    again = leadbench.load_results(tmp_path)
    assert again.table() == results.table()
    rows = again.dicts()
    assert {row["name"] for row in rows} >= {"Real", "MotionLCM", "LEAD (MotionLCM)"}
    found = [row["fid"] for row in rows if row["source"] == "generated"]
    assert len(found) == 2
    assert np.isfinite(found).all()


def test_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = leadbench.Results(())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(leadbench.LeadbenchError, match="needs pandas"):
        results.frame()


def test_claims_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    stored = ROOT / "results" / "synthetic"
    judged = leadbench.judge_claims(stored)
    assert call("claims", stored, "--format", "json") in (0, 3, 4)
    assert judged == json.loads(capsys.readouterr().out)
    assert {claim["verdict"] for claim in judged[0]["claims"]} > {"holds"}


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no stored run"):
        leadbench.load_results(tmp_path)


def test_a_projector_of_own_latents_learns_its_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(80, 1, 16, generator=generator)
    text = latents[:, 0] @ torch.randn(16, 24, generator=generator)
    short, long = (
        leadbench.train_projector(latents, text, preset="tiny", overrides=[f"loop.steps={steps}"]) for steps in (1, 60)
    )
    losses = [float(projector.training_loss(latents, text)["loss"]) for projector in (short, long)]
    assert losses[1] < 0.9 * losses[0]
    with pytest.raises(DataError, match="as many of both"):
        leadbench.train_projector(latents, text[:10])
    with pytest.raises(UnknownNameError, match="did you mean 'lead'"):
        leadbench.train_projector(latents, text, kind="laed")


def test_own_latents_of_another_space_are_refused() -> None:
    backbone = leadbench.load_backbone("motionlcm")
    latents = torch.randn(8, backbone.autoencoder.latent.tokens, backbone.autoencoder.latent.width)
    projector = leadbench.train_projector(latents, torch.randn(8, 24), preset="tiny", overrides=["loop.steps=1"])
    with pytest.raises(LatentMismatchError):
        leadbench.generate(backbone, "a person walks", projector=projector, steps=1)


def test_generation_is_that_of_the_command(tmp_path: Path) -> None:
    caption = "a person walks forward"
    backbone = leadbench.load_backbone("motionlcm")
    (motion,) = leadbench.generate(backbone, caption, projector=leadbench.load_projector(backbone), steps=1, frames=40)
    options = ["--backbone", "motionlcm", "--steps", "1", "--frames", "40", "--out", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "leadbench", "generate", caption, *options], check=True, capture_output=True)
    written = [np.load(path) for path in sorted(tmp_path.rglob("*.npy"))]
    assert leadbench.draw_motions([motion], tmp_path / "walk.png").stat().st_size > 1000
    again = leadbench.save_motions([motion], tmp_path / "saved", ["npy", "html", "bvh"])
    assert [path.suffix for path in again] == [".npy", ".npy", ".html", ".bvh"]
    for path in again[:2]:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    with pytest.raises(leadbench.LeadbenchError, match="unknown format 'npz'"):
        leadbench.save_motions([motion], tmp_path / "saved", "npz")
    assert any(array.shape == motion.features.shape and np.allclose(array, motion.features) for array in written)


def test_metrics_on_arrays() -> None:
    rows = np.random.default_rng(0).normal(size=(70, 6))
    assert leadbench.r_precision(rows, rows) == (1.0, 1.0, 1.0)
    assert leadbench.mm_dist(rows, rows) == 0.0
    assert leadbench.fid(rows, torch.from_numpy(rows)) == pytest.approx(0.0, abs=1e-9)
    assert leadbench.diversity(rows) > 0
    assert leadbench.multimodality(rows.reshape(7, 10, 6)) > 0
    with pytest.raises(DataError, match="do not fill a pool"):
        leadbench.r_precision(rows[:10], rows[:10])
