"""The benchmark of motion textual inversion and its commands, on generated motions and the shipped models."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bvh_files import write_bnr_like
from records import named

from leadbench.data.labels import MotionLabel, write_labels
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.generation.concepts import load_concept
from leadbench.results.store import RunStore
from leadbench.zoo.embedded import shipped

FEW = (
    "--motions",
    34,
    "--replications",
    2,
    "--losses",
    "mld,lead",
    "--learning-rates",
    "0.3",
    "--backbone",
    "motionlcm",
)


def lead(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "leadbench.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated motions; every fourth one of the test split has a style that the others lack, in a split of its own."""
    root = tmp_path_factory.mktemp("mti") / "data"
    synthesize(root, SynthesisOptions(clips=500, workers=1))
    ids = (root / "test.txt").read_text().split()
    (root / "held_out.txt").write_text("\n".join(ids[::2]) + "\n")
    styles = {name: "odd" if name in ids[::2] else "plain" for name in (root / "all.txt").read_text().split()}
    write_labels(root, {name: MotionLabel("any", style, name) for name, style in styles.items()})
    return root


@pytest.fixture(scope="module")
def run(data: Path) -> subprocess.CompletedProcess[str]:
    done = lead("mti", "run", "--dataset", data, "--models", shipped().folder, *FEW, "--out", data.parent / "runs")
    assert done.returncode == 0, done.stderr
    return done


def folder(done: subprocess.CompletedProcess[str]) -> Path:
    return Path(done.stderr.rpartition("records: ")[2].splitlines()[0])


def test_table_3_has_every_row_and_learning_helps(run: subprocess.CompletedProcess[str]) -> None:
    assert "layout of Table 3" in run.stdout
    rows_of = named(RunStore(folder(run)).load())
    records = [record for found in rows_of.values() for record in found]
    rows = [f"MTI {loss}{suffix}" for loss in ("mld", "lead") for suffix in ("", " + project")]
    assert set(rows_of) == {"Real", "Initial word", "Initial word + project", *rows}
    assert {r.replication for r in records} == {0, 1}

    def mean(row: str, metric: str) -> float:
        return float(np.mean([r.metrics[metric] for r in rows_of[row]]))

    for loss in ("mld", "lead"):
        assert mean(f"MTI {loss}", "exemplar_distance") < mean("Initial word", "exemplar_distance")
        assert mean(f"MTI {loss}", "fid") < mean("Initial word", "fid")
    assert mean("Real", "r_precision_3") > 0.9
    assert {r.details.learning_rate for name in rows_of if name.startswith("MTI") for r in rows_of[name]} == {0.3}


def test_a_run_goes_on_where_it_stopped(run: subprocess.CompletedProcess[str], data: Path, tmp_path: Path) -> None:
    """Half of the records gone and one loss not learnt yet: the rest is as before."""
    whole = folder(run)
    copy = tmp_path / whole.parent.name / whole.name
    shutil.copytree(whole, copy)
    lines = (copy / "records.jsonl").read_text().splitlines(keepends=True)
    (copy / "records.jsonl").write_text("".join(lines[:5]))
    (copy / "words-lead.safetensors").unlink()
    done = lead("mti", "run", "--dataset", data, "--models", shipped().folder, *FEW, "--out", tmp_path)
    assert folder(done) == copy
    before, after = ({r.key: r.metrics for r in RunStore(path).records()} for path in (whole, copy))
    assert before == after


def test_stored_records_render_in_every_format(run: subprocess.CompletedProcess[str]) -> None:
    where = folder(run)
    assert lead("tables", where).stdout == run.stdout
    assert "Published, Table 4" in lead("tables", where, "--published").stdout
    assert r"\textbf{" in lead("tables", where, "--format", "latex").stdout
    rows = json.loads(lead("tables", where, "--format", "json").stdout)["rows"]
    assert {"row", "backbone", "words", "fid", "exemplar_distance"} <= set(rows[0])
    assert lead("tables", where, "--format", "csv").stdout.startswith("row,")


def test_projectors_of_the_ablation_must_be_there(data: Path, tmp_path: Path) -> None:
    done = lead("mti", "run", "--dataset", data, "--models", shipped().folder, *FEW, "--ablation", "--out", tmp_path)
    assert done.returncode == 2
    assert "no projector 'no-align' of this latent space (leadbench ablate projector)" in done.stderr
    assert not list(tmp_path.iterdir())
    models = tmp_path / "models"
    shutil.copytree(shipped().folder, models)
    for variant in ("no-align", "no-var", "no-rec"):  # the same network by other cards: rows of equal numbers
        shutil.copyfile(models / "projector.safetensors", models / f"any-name-{variant}.safetensors")
        card = json.loads((models / "projector.json").read_text())
        card["config"][f"{variant.removeprefix('no-')}_weight"] = 0.0
        (models / f"any-name-{variant}.json").write_text(json.dumps(card))
    done = lead("mti", "run", "--dataset", data, "--models", models, *FEW, "--ablation", "--out", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert "layout of Table 4" in done.stdout
    rows = named(RunStore(folder(done)).load())
    whole = {r.replication: r.metrics for r in rows["MTI lead + project"]}
    for name in ("w/o align", "w/o KL", "w/o rec"):
        assert {r.replication: r.metrics for r in rows[f"MTI lead, {name} + project"]} == whole


def test_unseen_styles_are_judged_by_a_classifier(data: Path, tmp_path: Path) -> None:
    options = ("--dataset", data, "--models", shipped().folder, *FEW, "--out", tmp_path)
    done = lead("mti", "styles", *options, "--style", "odd", "--figure", tmp_path / "figure.png")
    assert done.returncode == 0, done.stderr
    assert "unseen styles" in done.stdout
    records = RunStore(folder(done)).records()
    held = set((data / "held_out.txt").read_text().split())
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    header = json.loads((folder(done) / "run.json").read_text())["identity"]
    assert set(header["eligible"]) == held
    for record in records:
        assert 0 <= record.metrics["style_share"] <= 1  # type: ignore[operator]
        if record.row.source != "real":
            assert record.metrics["style_distance"] > 0  # type: ignore[operator]
    assert lead("tables", folder(done)).stdout == done.stdout
    unknown = lead("mti", "styles", *options, "--style", "od")
    assert unknown.returncode == 2
    assert "did you mean 'odd'?" in unknown.stderr


@pytest.mark.parametrize("kind", ["bvh", "features", "joints"])
def test_a_concept_is_learnt_kept_and_used(data: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "clip.npy"
    if kind == "bvh":
        (path,) = write_bnr_like(tmp_path / "source", clips=1, seed=0)
    else:
        name = (data / "test.txt").read_text().split()[0]
        shutil.copyfile(data / ("new_joints" if kind == "joints" else "new_joint_vecs") / f"{name}.npy", path)
    common = ("--dataset", data, "--models", shipped().folder)
    learn = ("mti", "learn", *common, "--exemplar", path, "--init", "walk", "--steps", 2, "--out", tmp_path / "words")
    done = lead(*learn, "--name", "superman")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "words" / "superman.safetensors"
    concept = load_concept(file)
    assert (concept.name, concept.text_encoder) == ("superman", "minilm")
    assert concept.about["exemplars"] == path.name
    assert file.stat().st_size < 10_000
    use = ("generate", *common, "--frames", 64, "a person <superman> slowly", "a person walks", "--concept", file)
    for out in ("a", "b"):
        done = lead(*use, "--count", 2, "--out", tmp_path / out)
        assert done.returncode == 0, done.stderr
    names = sorted(p.name for p in (tmp_path / "a").glob("*.npy"))
    assert len(names) == 8
    (told,) = json.loads((tmp_path / "a" / "generate.json").read_text())["models"]
    assert (told["backbone"], told["steps"], told["projector"]) == ("mld", 50, "aligned minilm")
    assert told["concepts"]["superman"]["initial_word"] == "walk"
    for name in names:
        first, second = (np.load(tmp_path / out / name) for out in ("a", "b"))
        assert np.array_equal(first, second)
        assert first.shape == ((64, 263) if "features" in name else (64, 22, 3))
        assert np.isfinite(first).all()
    slow = [np.load(tmp_path / "a" / f"000-a-person-superman-slowly-{k}.features.npy") for k in (0, 1)]
    assert not np.array_equal(*slow)


def test_what_is_wrong_with_a_concept_is_told(data: Path, tmp_path: Path) -> None:
    common = ("--dataset", data, "--models", shipped().folder)
    learn = ("mti", "learn", *common, "--init", "walk", "--out", tmp_path / "words")
    bad = tmp_path / "bad.npy"
    np.save(bad, np.zeros((50, 7), np.float32))
    for arguments, message in (
        (("--exemplar", bad, "--name", "x"), "needed are features [F, 263] or joints [F, 22, 3]"),
        (("--exemplar", tmp_path / "no.bvh", "--name", "x"), "no such file"),
        (("--exemplar", bad, "--name", "<x>"), "must start with a letter"),
        (("--exemplar", bad, "--name", "x", "--loss", "led"), "did you mean 'lead'?"),
    ):
        done = lead(*learn, *arguments)
        assert done.returncode == 2, message
        assert message in done.stderr
    assert not (tmp_path / "words").exists()
    done = lead("generate", *common, "a <b> person", "--out", tmp_path / "out")
    assert "unknown concept 'b'" in done.stderr
    assert not (tmp_path / "out").exists()
    good = ("--exemplar", data / "new_joint_vecs" / f"{(data / 'test.txt').read_text().split()[0]}.npy", "--name", "b")
    assert lead(*learn, *good, "--steps", 1, "--backbone", "motionlcm").returncode == 0
    done = lead("generate", *common, "a <b> person", "--concept", "b", "--concepts", tmp_path / "words")
    assert done.returncode == 2
    assert "learnt for text encoder 'wordllama', the backbone is on 'minilm'" in done.stderr
    done = lead("generate", *common, "a person", "--frames", 30, "--out", tmp_path / "out")
    assert "must be a multiple of 4" in done.stderr
    assert torch.get_default_dtype() == torch.float32
