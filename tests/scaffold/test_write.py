"""A plugin of every kind is written, built, installed, found by its entry point, checked, and the backbone used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError, DataError, UnknownNameError
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.results.details import T2MDetails
from leadbench.results.store import load_runs
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
    path = ["--path", data] if kind in ("dataset", "task") else []
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
        offered = kind.removeprefix("set-").replace("-", "_")  # metrics of sets are metrics
        assert f"{offered}:my-{kind}" in done.stdout
    assert "FAIL" not in done.stdout


def test_their_own_tests_pass(written: Path, site: Path) -> None:
    folders = [written / f"leadbench-my-{kind}" / "tests" for kind in KINDS]
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", written, *folders, site=site, cwd=written)
    assert done.returncode == 0, done.stdout
    assert f"{len(KINDS)} passed" in done.stdout


def leadbench(*arguments: object, site: Path) -> str:
    done = run("-m", "leadbench", *arguments, site=site)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_kind_ends_in_the_table(site: Path, models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"  # trained models are added to it
    shutil.copytree(models / "models", folder, ignore=shutil.ignore_patterns("checkpoints"))
    common = ("--dataset", "my-dataset", "--root", models / "data", "--models", folder)
    training = (*common, "--preset", "tiny")
    leadbench("train", "diffusion", "--backbone", "my-backbone", *training, site=site)
    leadbench(
        "train", "projector", "--projector", "my-projector", "--align-encoder", "my-text-encoder", *training, site=site
    )
    leadbench("train", "diffusion", "--text-encoder", "my-text-encoder", *training, site=site)
    card = json.loads((folder / "my-projector.projector.json").read_text())
    assert (card["stage"], card["kind"], card["text_encoder"]) == ("projector", "my-projector", "my-text-encoder")
    options = (
        "--backbone",
        "mld,my-backbone",
        "--steps",
        "my-backbone=2;mld=2",
        "--replications",
        "1",
        "--text-encoder",
    )
    chosen = ("mld=my-text-encoder", "--out", tmp_path / "runs", "--projector", "auto")
    others = ("--evaluator", "my-evaluator", "--metric", "my-metric,my-set-metric", "--full")
    table = leadbench("run", *common, *options, *chosen, *others, site=site)
    assert "| my-metric" in table
    assert "**Further measures**" in table
    assert "| MySetMetric ↓" in table
    for model in ("MyBackbone", "MLD"):
        assert f"| LEAD ({model})" in table
        assert f"| MyProjector ({model})" in table
    (stored,) = load_runs(tmp_path / "runs")
    assert {r.row.projector for r in stored.records if r.row.backbone == "mld"} >= {"lead", "my-projector"}
    assert any(isinstance(r.details, T2MDetails) and r.details.driven == "my-text-encoder" for r in stored.records)
    measured = leadbench("run", "--task", "my-task", *common, *options, *chosen, site=site)
    assert "| MyProjector (MyBackbone)" in measured
    assert "latent_norm" in measured
    judged = run("-m", "leadbench", "claims", tmp_path / "runs", "--projector", "my-projector", site=site)
    assert judged.returncode in (0, 3, 4), judged.stderr
    unknown = run("-m", "leadbench", "claims", tmp_path / "runs", "--projector", "my-projecter", site=site)
    assert "did you mean 'my-projector'" in unknown.stderr
    assert "Best model" in leadbench("my-command", "best", tmp_path / "runs", site=site)


def test_a_projector_of_a_plugin_by_its_file(site: Path, own: tuple[object, ...], tmp_path: Path) -> None:
    common, trained = own, Path(str(own[3])) / "my-projector.projector.safetensors"
    file = tmp_path / "any.safetensors"  # no file name says what it is
    shutil.copyfile(trained, file)
    shutil.copyfile(trained.with_suffix(".json"), file.with_suffix(".json"))
    named = ("--projector", f"my-projector={file}")
    out = ("--out", tmp_path / "out")
    few = ("--backbone", "motionlcm", "--steps", "1")
    scored = leadbench("run", *common, *few, "--projector", f"lead,{file}", "--replications", "1", *out, site=site)
    assert "| LEAD (MotionLCM)" in scored
    assert "| MyProjector (MotionLCM)" in scored
    generated = ("a person walks", "--backbone", "motionlcm", "--out", tmp_path / "generated")
    leadbench("generate", *generated, *common, *named, site=site)
    split = ("--split", "train", "--out", tmp_path / "structure")
    assert "| Projected" in leadbench("structure", *common, *named, *split, site=site)
    (structure,) = load_runs(tmp_path / "structure")
    assert "my-projector" in {record.row.projector for record in structure.records}
    fast = ("--preset", "tiny", "--rounds", "1", "--batch", "1", "--backbone", "motionlcm", "--steps", "1")
    assert "MyProjector" in leadbench("latency", *fast, "--projector", "auto,my-projector", *out, site=site)
    refused = run("-m", "leadbench", "run", *common, *few, "--projector", "my-projecter", *out, site=site)
    assert refused.returncode == 2
    assert "my-projector" in refused.stderr


@pytest.fixture(scope="module")
def own(site: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Options that name a dataset and models with a projector of the plugin, trained with another number of steps."""
    root = tmp_path_factory.mktemp("own")
    folder = root / "models"
    shutil.copytree(models / "models", folder, ignore=shutil.ignore_patterns("checkpoints"))
    data = root / "data"  # larger: a task needs ten motions of an action, or a pool of 32
    leadbench("data", "synthesize", "--clips", "500", "--workers", "1", "--out", data, site=site)
    common = ("--dataset", data, "--models", folder)
    changed = ("--preset", "tiny", "--set", "loop.steps=3")
    leadbench("train", "projector", "--projector", "my-projector", *changed, *common, site=site)
    return common


def test_what_was_set_is_named_in_the_card(own: tuple[object, ...]) -> None:
    card = json.loads((Path(str(own[3])) / "my-projector.projector.json").read_text())
    assert card["overrides"] == {"projector.loop.steps": 3}
    assert card["config"]["loop"]["steps"] == 3
    assert card["variant"] is None


def test_words_are_learnt_through_a_plugins_projector(site: Path, own: tuple[object, ...], tmp_path: Path) -> None:
    few = ("--motions", 34, "--replications", 1, "--losses", "lead", "--learning-rates", "0.3")
    chosen = ("--backbone", "motionlcm", "--projector", "my-projector", "--out", tmp_path)
    printed = leadbench("mti", "run", *own, *few, *chosen, site=site)
    assert "MTI lead + MyProjector" in printed
    (stored,) = load_runs(tmp_path)
    assert {record.row.projector for record in stored.records if record.row.backbone} == {None, "my-projector"}


def test_a_plugins_projector_beside_the_ablation(site: Path, own: tuple[object, ...], tmp_path: Path) -> None:
    few = ("--preset", "tiny", "--steps", 2, "--replications", 2, "--multimodality-replications", 0)
    printed = leadbench("ablate", "projector", *own, *few, "--projector", "auto", "--out", tmp_path, site=site)
    for row in ("LEAD mlp (MLD)", "LEAD w/o align (MLD)", "MyProjector (MLD)", "LEAD (MLD)"):
        assert f"| {row}" in printed
    assert "MyProjector (MLD): " in printed  # its paired difference


def test_a_plugins_projector_is_drawn(site: Path, own: tuple[object, ...], tmp_path: Path) -> None:
    sample = (Path(str(own[1])) / "test.txt").read_text().split()[0]
    few = ("--backbone", "motionlcm", "--steps", 1, "--projector", "my-projector", "--out", tmp_path / "strip.png")
    leadbench("strips", "--id", sample, *own, *few, site=site)
    assert (tmp_path / "strip.png").stat().st_size > 1000


def test_the_only_denoiser_is_used_whatever_its_text_encoder(site: Path, models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models / "models", folder, ignore=shutil.ignore_patterns("checkpoints", "diffusion-minilm*"))
    common = ("--dataset", models / "data", "--models", folder, "--backbone", "mld", "--steps", "mld=2")
    leadbench("run", *common, "--replications", "1", "--out", tmp_path / "runs", site=site)
    (stored,) = load_runs(tmp_path / "runs")
    assert {r.details.driven for r in stored.records if isinstance(r.details, T2MDetails)} >= {"wordllama"}
    refused = run("-m", "leadbench", "run", *common, "--text-encoder", "minilm", "--out", tmp_path / "no", site=site)
    assert refused.returncode == 2
    assert "no diffusion model of text encoder 'minilm' (there: wordllama" in refused.stderr
    assert not (tmp_path / "no").exists()


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
