"""A plugin of every kind is written, built, installed, found by its entry point, checked, and the backbone used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError, DataError, UnknownNameError
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.scaffold.write import KINDS, write_plugin
from leadbench.training.build import build

ROOT = Path(__file__).parents[2]


def run(*arguments: object, site: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, filter(None, (site, ROOT, ROOT / "plugins"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a distribution of every kind."""
    root = tmp_path_factory.mktemp("scaffold")
    for kind in KINDS:
        write_plugin(f"my-{kind}", kind, root)
    return root


@pytest.fixture(scope="module")
def site(written: Path) -> Path:
    """Folder into which all of them are installed, as pip would into site-packages."""
    pytest.importorskip("hatchling", reason="building distributions needs hatchling")
    target = written / "site"
    folders = [written / f"leadbench-my-{kind}" for kind in KINDS]
    done = run("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", target, *folders)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with tiny models."""
    root = tmp_path_factory.mktemp("models")
    corpus = SynthesisOptions(clips=216, workers=1)
    build("tiny", root, root / "packed", jobs=1, corpus=corpus, say=lambda text: None)
    return root


CHECK_ALL = """
import sys
from leadbench.cli.main import main

kinds, models, data = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
for kind in kinds:
    path = ["--path", data] if kind == "dataset" else []
    sys.argv = ["leadbench", "plugins", "check", f"my-{kind}", "--models", models, *path]
    try:
        main()
    except SystemExit as stopped:
        print("exit", kind, stopped.code or 0)
"""


def test_installed_plugins_pass_their_checks(site: Path, models: Path) -> None:
    done = run("-c", CHECK_ALL, ",".join(KINDS), models / "models", models / "data", site=site)
    assert done.returncode == 0, done.stderr
    for kind in KINDS:
        assert f"exit {kind} 0" in done.stdout, done.stdout + done.stderr
        assert f"{kind.replace('-', '_')}:my-{kind}" in done.stdout
    assert "FAIL" not in done.stdout


def test_their_own_tests_pass(written: Path, site: Path) -> None:
    folders = [written / f"leadbench-my-{kind}" / "tests" for kind in KINDS]
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", written, *folders, site=site, cwd=written)
    assert done.returncode == 0, done.stdout
    assert f"{len(KINDS)} passed" in done.stdout


def test_a_strangers_backbone_is_trained_realigned_and_scored(site: Path, models: Path, tmp_path: Path) -> None:
    common = ("--dataset", models / "data", "--models", models / "models")
    trained = run(
        "-m",
        "leadbench.cli.main",
        "train",
        "diffusion",
        "--backbone",
        "my-backbone",
        "--preset",
        "tiny",
        *common,
        site=site,
    )
    assert trained.returncode == 0, trained.stderr
    assert (models / "models" / "backbone-my-backbone.safetensors").is_file()
    options = ("--backbone", "my-backbone", "--steps", "my-backbone=2", "--replications", "1", "--out", tmp_path)
    others = ("--evaluator", "my-evaluator", "--metric", "my-metric")
    scored = run("-m", "leadbench.cli.main", "run", *common, *options, *others, site=site)
    assert scored.returncode == 0, scored.stderr
    assert "| my-metric" in scored.stdout
    assert "| LEAD (MyBackbone)" in scored.stdout


def test_what_cannot_be_trained_is_told(models: Path) -> None:
    common = ("--dataset", models / "data", "--models", models / "models", "--preset", "tiny")
    done = run("-m", "leadbench.cli.main", "train", "diffusion", "--backbone", "motionlcm", *common)
    assert done.returncode == 2
    assert "training_loss" in done.stderr


@pytest.mark.parametrize("name", ["Mine", "my_plugin", "1st", ""])
def test_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lower-case"):
        write_plugin(name, "metric", tmp_path)


def test_an_unknown_kind_and_an_existing_folder(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'metric'"):
        write_plugin("mine", "metrics", tmp_path)
    write_plugin("mine", "metric", tmp_path)
    with pytest.raises(DataError, match="exists already"):
        write_plugin("mine", "metric", tmp_path)
