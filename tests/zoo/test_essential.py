"""MARDM's evaluators on essential features: read where they lie, imported, and run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command import call
from official_layouts import write_essential, write_evaluator

from leadbench.core.errors import WeightsError
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionSpec
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.results.store import load_runs
from leadbench.zoo.embedded import shipped
from leadbench.zoo.official_evaluator import find_evaluator, is_essential, read_evaluator

RECORDED = {
    "humanml3d": ([[0.21371, -1.29366, 0.00348, 0.48349], [1.24784, -1.32682, -1.34493, -0.144]], 15.5427),
    "kit": ([[-0.26862, -0.67826, 1.64799, -0.4229], [-0.5363, -1.51012, 1.51426, -0.41273]], 13.4466),
}
"""Embeddings by MARDM's public code (revision 443313b) of the same weights and motions: first four numbers of each,
and the sum of all squares."""
FEW = ("--replications", "1", "--multimodality-replications", "0", "--steps", "1", "--skip-self-test")


def motion_of(skeleton: str) -> MotionSpec:
    known = get_skeleton(skeleton)
    return MotionSpec(skeleton, known.fps, torch.zeros(known.n_features), torch.ones(known.n_features))


@pytest.mark.parametrize(("skeleton", "dataset"), [("humanml3d", "t2m"), ("kit", "kit")])
def test_embeddings_are_those_of_the_public_code(skeleton: str, dataset: str, tmp_path: Path) -> None:
    network, own, files = read_evaluator(write_essential(tmp_path, dataset), motion_of(skeleton))
    assert files.essential
    raw = np.random.default_rng(0).normal(size=(2, 120, own.width)).astype(np.float32)
    lengths = torch.tensor([120, 64])
    seen = (torch.from_numpy(raw) - own.mean) / own.std * (torch.arange(120) < lengths[:, None])[..., None]
    with torch.no_grad():
        found = network.motion(seen[..., : network.config.features], lengths)
    first, squares = RECORDED[skeleton]
    np.testing.assert_allclose(found[:, :4].numpy(), first, atol=2e-5)
    assert float(found.square().sum()) == pytest.approx(squares, rel=1e-5)


def test_statistics_are_found_beside_the_weights_too(tmp_path: Path) -> None:
    """As the release of the evaluators unpacks, with the statistics put beside it in one of three ways."""
    root = write_essential(tmp_path / "checkout")
    for number, place in enumerate(("t2m", "eval_mean_std/t2m", "t2m/eval_mean_std/t2m")):
        folder = tmp_path / str(number)
        shutil.copytree(root / "checkpoints", folder)
        shutil.copytree(root / "utils" / "eval_mean_std" / "t2m", folder / place, dirs_exist_ok=True)
        assert is_essential(folder)
        assert find_evaluator(folder, "humanml3d").mean.is_file()
    assert not is_essential(tmp_path / "nowhere")


def test_what_does_not_fit_is_named(tmp_path: Path, golden: Path) -> None:
    root = write_essential(tmp_path / "mardm")
    np.save(root / "utils" / "eval_mean_std" / "t2m" / "eval_std.npy", np.ones(263))
    with pytest.raises(WeightsError, match=r"eval_std\.npy: 263 values, humanml3d has 67"):
        read_evaluator(root, motion_of("humanml3d"))
    shutil.rmtree(root / "utils")
    with pytest.raises(WeightsError, match="reads the 67 essential features of a frame; needed beside it: eval_mean"):
        read_evaluator(root, motion_of("humanml3d"))
    guo = write_evaluator(tmp_path / "guo" / "t2m", golden, "humanml3d", np.zeros(263), np.ones(263)).parent
    shutil.rmtree(guo / "t2m" / "Comp_v6_KLD01")
    for name in ("mean", "std"):
        np.save(guo / "t2m" / f"eval_{name}.npy", np.ones(67))
    with pytest.raises(WeightsError, match="reads 259 features a frame, the statistics beside it are of 67"):
        read_evaluator(guo, motion_of("humanml3d"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("essential") / "small"
    synthesize(folder, SynthesisOptions(clips=300, workers=1))
    return folder


def test_a_run_under_it_from_its_files_and_imported(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mardm, models = write_essential(tmp_path / "mardm"), tmp_path / "models"
    shutil.copytree(shipped().folder, models)
    run = ("run", "--backbone", "motionlcm", "--projector", "none", "--dataset", corpus, "--models", models, *FEW)
    assert call(*run, "--evaluator", mardm, "--out", tmp_path / "direct") == 0
    assert "| MotionLCM" in capsys.readouterr().out
    assert call("zoo", "import", mardm, "--dataset", corpus, "--models", models) == 0
    assert call("zoo", "import", mardm / "glove", "--models", models) == 0
    assert (models / "evaluator-essential.safetensors").is_file()
    assert call(*run, "--evaluator", "guo-essential", "--out", tmp_path / "imported") == 0
    direct, imported = (load_runs(tmp_path / side)[0].records for side in ("direct", "imported"))
    assert {record.evaluator for record in direct} == {record.evaluator for record in imported}
    assert [record.metrics for record in direct] == [record.metrics for record in imported]
    capsys.readouterr()
    assert call("zoo", "inspect", mardm / "checkpoints" / "t2m") == 2  # without its statistics
    assert call("zoo", "inspect", mardm) == 0
    assert "67 (HumanML3D, the essential ones)" in capsys.readouterr().out


def test_the_settings_name_it_and_guo_is_not_it(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mardm, models = write_essential(tmp_path / "mardm"), tmp_path / "models"
    models.mkdir()
    for name in ("autoencoder", "consistency-wordllama"):
        for ending in (".safetensors", ".json"):
            shutil.copyfile(shipped().folder / f"{name}{ending}", models / f"{name}{ending}")
    (tmp_path / "leadbench.toml").write_text(f'[datasets.humanml3d]\nroot = "{corpus}"\nevaluator = "{mardm}"\n')
    monkeypatch.chdir(tmp_path)
    run = ("run", "--backbone", "motionlcm", "--dataset", "humanml3d", "--models", models, *FEW)
    assert call(*run) == 2
    assert "reads essential features; give --evaluator guo-essential" in capsys.readouterr().err
    assert call(*run, "--evaluator", "guo-essential") == 0
