"""A stranger's backbone and projector, as the scaffolds write them, trained and run on the pretended device."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command import call

from leadbench.data.labels import MotionLabel, write_labels
from leadbench.scaffold.write import write_plugin
from leadbench.testing.pretended import Pretended, pretended_device
from leadbench.zoo.embedded import shipped
from tests.device.test_run import records, same
from tests.device.test_training import difference

FEW = ("--preset", "tiny", "--set", "loop.steps=3", "--set", "loop.validate_every=3")
QUICK = ("--replications", "1", "--multimodality-replications", "0", "--skip-self-test")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the shipped models, which trainings may add to."""
    return Path(shutil.copytree(shipped().folder, tmp_path / "models"))


def plugin(kind: str, name: str, folder: Path, patch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """Options that load a new plugin."""
    where = write_plugin(name, kind, folder)
    patch.syspath_prepend(where)
    return "--plugin", where / f"leadbench_{name.replace('-', '_')}" / "__init__.py"


def test_a_backbone(corpus: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = plugin("backbone", "own-backbone", tmp_path, monkeypatch)
    kept = models / "backbone-own-backbone.safetensors"
    trained = {}
    for device in ("cpu", "lazy"):
        data = ("--dataset", corpus, "--models", models, *own, "--device", device)
        with pretended_device() if device == "lazy" else pytest.MonkeyPatch.context():
            assert call("train", "diffusion", "--backbone", "own-backbone", *FEW, *data, "--restart") == 0
            trained[device] = Path(shutil.copyfile(kept, tmp_path / f"{device}.safetensors"))
    assert difference(trained["cpu"], trained["lazy"]) < 1e-5
    for device in ("cpu", "lazy"):
        data = ("--dataset", corpus, "--models", models, *own, "--device", device)
        with pretended_device() if device == "lazy" else pytest.MonkeyPatch.context():
            assert call("run", "--backbone", "own-backbone", *QUICK, *data, "--out", tmp_path / device) == 0
    same(records(tmp_path / "cpu"), records(tmp_path / "lazy"))


def test_a_projector(
    corpus: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretended: Pretended
) -> None:
    own = plugin("projector", "own-projector", tmp_path, monkeypatch)
    data = ("--dataset", corpus, "--models", models, *own)
    assert call("train", "projector", "--projector", "own-projector", *FEW, *data) == 0
    few = ("--backbone", "motionlcm", "--projector", "lead,own-projector")
    for device in ("lazy", "cpu"):
        assert call("run", *few, *QUICK, *data, "--device", device, "--out", tmp_path / device) == 0
    there = records(tmp_path / "lazy")
    assert {record.row.projector for record in there} == {None, "lead", "own-projector"}
    same(records(tmp_path / "cpu"), there)


def test_an_ablation(corpus: Path, models: Path, tmp_path: Path, pretended: Pretended) -> None:
    options = (*FEW, "--replications", "1", "--multimodality-replications", "0", "--skip-self-test", "--steps", "2")
    data = ("--dataset", corpus, "--models", models)
    assert call("ablate", "projector", *options, *data, "--out", tmp_path / "lazy") == 0
    assert call("ablate", "projector", *options, *data, "--device", "cpu", "--out", tmp_path / "cpu") == 0
    there = records(tmp_path / "lazy")
    assert {record.row.variant for record in there} >= {"mlp", "skip", "no-align", "no-rec", "no-var"}
    same(records(tmp_path / "cpu"), there)


def test_styles(corpus: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(corpus, tmp_path / "styled"))
    ids = (root / "test.txt").read_text().split()
    (root / "held_out.txt").write_text("\n".join(ids[::2]) + "\n")
    styles = {name: "odd" if name in ids[::2] else "plain" for name in (root / "all.txt").read_text().split()}
    write_labels(root, {name: MotionLabel("any", style, name) for name, style in styles.items()})
    few = ("--motions", "8", "--replications", "1", "--losses", "lead", "--learning-rates", "0.3", "--style", "odd")
    command = ("mti", "styles", *few, "--backbone", "motionlcm", "--dataset", root, "--models", shipped().folder)
    assert call(*command, "--device", "cpu", "--out", tmp_path / "cpu") == 0
    with pretended_device():
        assert call(*command, "--figure", tmp_path / "figure.png", "--out", tmp_path / "lazy") == 0
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    same(records(tmp_path / "cpu"), records(tmp_path / "lazy"), relative=2e-2)
