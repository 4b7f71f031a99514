"""The whole chain on BVH files that the test writes itself: prepare, five trainings of a few steps, run, tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bvh_files import write_bnr_like
from command import call

from leadbench.results.details import T2MDetails
from leadbench.results.records import Record
from leadbench.results.store import RunStore

STAGES = (
    ("autoencoder",),
    ("evaluator",),
    ("diffusion",),
    ("diffusion", "--text-encoder", "wordllama"),
    ("consistency",),
    ("projector",),
    ("projector", "--variant", "no-align"),
)
RUN = ("--backbone", "mld,motionlcm", "--steps", "1,2;mld=3", "--replications", "2", "--controls")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder with everything trained."""
    root = tmp_path_factory.mktemp("chain")
    write_bnr_like(root / "source", clips=36, seed=0)
    assert call("data", "prepare", "bnr", "--source", root / "source", "--out", root / "bnr") == 0
    for stage, *options in STAGES:
        assert call("train", stage, "--dataset", root / "bnr", "--preset", "tiny", *options) == 0
    return root


def _t2m(record: Record) -> T2MDetails:
    assert isinstance(record.details, T2MDetails)
    return record.details


@pytest.fixture(scope="module")
def finished(chain: Path) -> Path:
    """Folder of a finished run."""
    assert call("run", "--dataset", chain / "bnr", *RUN, "--out", chain / "results") == 0
    (run,) = (chain / "results" / "bnr").iterdir()
    return run


def test_the_table_has_the_papers_rows(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("tables", finished) == 0
    printed = capsys.readouterr().out
    for row in ("Real", "Reconstruction", "MLD", "LEAD (MLD)", "MotionLCM", "LEAD (MotionLCM)", "LEAD w/o align (MLD)"):
        assert f"| {row}" in printed
    assert "layout of Table 5" in printed
    assert call("tables", finished, "--diagnostics", "--format", "json") == 0
    shown = json.loads(capsys.readouterr().out)["rows"]
    assert {"MLD", "LEAD (MLD)", "Reconstruction"} <= {entry["row"] for entry in shown}
    assert all(entry["latent_norm"] > 0 and 0 <= entry["skating_ratio"] <= 1 for entry in shown)
    records = RunStore(finished).records()
    steps = {(record.row.backbone, record.row.steps) for record in records if record.row.steps}
    assert steps == {("mld", 3), ("motionlcm", 1), ("motionlcm", 2)}
    assert all(np.isfinite(r.metrics["fid"]) for r in records if r.metrics["fid"] is not None)
    assert all((_t2m(record).latent_norm or 0.0) > 0 for record in records if record.row.steps)


def test_where_the_time_went_is_told_of_a_run_and_of_its_records(
    chain: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("tables", finished, "--profile", "--format", "json") == 0
    shown = {entry["stage"]: entry for entry in json.loads(capsys.readouterr().out)["rows"]}
    assert {"text", "denoise", "project", "decode", "embed", "measure", "score", "reference"} <= shown.keys()
    stages = [entry for name, entry in shown.items() if name != "all"]
    assert sum(entry["seconds"] for entry in stages) == pytest.approx(shown["all"]["seconds"])
    assert sum(entry["share"] for entry in stages) == pytest.approx(100)
    spent = sum(sum(record.seconds.values()) for record in RunStore(finished).records())
    assert shown["all"]["seconds"] == pytest.approx(spent)
    assert call("run", "--dataset", chain / "bnr", *RUN, "--out", chain / "results", "--profile") == 0
    told = capsys.readouterr()
    assert "thread seconds" in told.out
    assert "loading took" in told.err


def test_bfloat16_is_another_run_near_the_first(chain: Path, finished: Path, tmp_path: Path) -> None:
    assert call("run", "--dataset", chain / "bnr", *RUN, "--precision", "bf16", "--out", tmp_path) == 0
    (run,) = (tmp_path / "bnr").iterdir()
    assert run.name != finished.name
    exact = {record.key: record for record in RunStore(finished).records()}
    differing = 0
    for record in RunStore(run).records():
        assert record.compute is not None
        assert record.compute.precision == "bf16"
        fid, expected = record.metrics["fid"], exact[record.key].metrics["fid"]
        assert fid == pytest.approx(expected, rel=0.05)
        differing += fid != expected
        if record.row.source in ("real", "train"):  # nothing was decoded
            assert fid == expected
    assert differing > 0


def test_cards_link_everything_to_one_latent_space(chain: Path) -> None:
    models = chain / "bnr" / "models"
    cards = {path.stem: json.loads(path.read_text()) for path in models.glob("*.json")}
    spaces = {name: card["links"]["latent"] for name, card in cards.items() if name != "evaluator"}
    assert len(set(spaces.values())) == 1
    assert cards["diffusion-minilm"]["links"]["text_encoder"] == "minilm"
    assert cards["consistency-wordllama"]["links"]["text_encoder"] == "wordllama"
    assert cards["projector"]["links"]["text_encoder"] == "minilm"
    assert cards["autoencoder"]["config"]["loop"]["steps"] == 4


def test_training_the_projector_changes_no_other_file(chain: Path) -> None:
    models = chain / "bnr" / "models"
    before = {path: path.read_bytes() for path in models.glob("*.safetensors") if "no-var" not in path.name}
    assert call("train", "projector", "--dataset", chain / "bnr", "--preset", "tiny", "--variant", "no-var") == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_second_start_does_nothing_twice(chain: Path, finished: Path) -> None:
    before = (finished / "records.jsonl").read_bytes()
    assert call("run", "--dataset", chain / "bnr", *RUN, "--out", chain / "results") == 0
    assert (finished / "records.jsonl").read_bytes() == before


def test_two_processes_make_the_same_records(
    chain: Path, finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "--dataset", chain / "bnr", *RUN, "--jobs", "2", "--out", tmp_path) == 0
    error = capfd.readouterr().err
    assert "captions encoded, each once" in error
    (run,) = (tmp_path / "bnr").iterdir()
    assert run.name == finished.name
    alone = {record.key: record for record in RunStore(finished).records()}
    together = {record.key: record for record in RunStore(run).records()}
    assert together.keys() == alone.keys()
    for key, record in together.items():
        for name, value in record.metrics.items():
            expected = alone[key].metrics[name]
            assert value == (None if expected is None else pytest.approx(expected, rel=1e-4, abs=1e-5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backbone", "motionlmc"), "did you mean 'motionlcm'"),
        (("--backbone", "mld", "--steps", "0"), "at least 1"),
        (("--backbone", "mld", "--steps", "mld=2000"), "does not support 2000 steps"),
        (("--backbone", "mld", "--steps", "mld=1000"), "does not support 1000 steps"),
        (("--backbone", "mld", "--steps", "motionlcm=1"), "--steps"),
        (("--backbone", "mld", "--precision", "bf15"), "did you mean 'bf16'"),
        (("--backbone", "mld", "--projector", "nowhere.safetensors"), "no such file"),
        (("--backbone", "mld", "--format", "gitub"), "did you mean 'github'"),
        (("--backbone", "mld", "--models", "nowhere"), "leadbench train"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    capsys.readouterr()
    assert call("run", "--dataset", chain / "bnr", *options, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_broken_dataset_is_one_line_and_exit_code_2(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    capsys.readouterr()
    assert call("run", "--dataset", tmp_path / "empty", "--backbone", "mld", "--out", tmp_path / "out") == 2
    assert "new_joint_vecs" in capsys.readouterr().err
    mean = chain / "bnr" / "Mean.npy"
    moved = mean.rename(mean.with_suffix(".away"))
    try:
        assert call("run", "--dataset", chain / "bnr", "--backbone", "mld", "--out", tmp_path / "out") == 2
        assert "Mean.npy" in capsys.readouterr().err
    finally:
        moved.rename(mean)
    test_id = (chain / "bnr" / "test.txt").read_text().split()[0]
    path = chain / "bnr" / "new_joint_vecs" / f"{test_id}.npy"
    good = path.read_bytes()
    features = np.load(path)
    features[0, 0] = np.nan
    np.save(path, features)
    try:
        assert call("run", "--dataset", chain / "bnr", "--backbone", "mld", "--out", tmp_path / "out") == 2
        assert test_id in capsys.readouterr().err
    finally:
        path.write_bytes(good)
    assert not (tmp_path / "out").exists()


def test_preparing_over_an_existing_folder_is_refused(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert call("data", "prepare", "bnr", "--source", chain / "source", "--out", chain / "bnr") == 2
    assert "exists already" in capsys.readouterr().err


def test_strips_are_drawn(chain: Path, tmp_path: Path) -> None:
    test_id = (chain / "bnr" / "test.txt").read_text().split()[0]
    path = tmp_path / "strips.png"
    assert call("strips", "--dataset", chain / "bnr", "--id", test_id, "--steps", "1;mld=2", "--out", path) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert call("strips", "--dataset", chain / "bnr", "--id", "nobody", "--out", tmp_path / "no.png") == 2
