"""Whole runs on official layouts, full size, random weights: the self-test refuses, or stamps; projectors attach."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from official_layouts import write_assets, write_backbone

from leadbench.cli.main import main
from leadbench.core.config import SelfTestSettings
from leadbench.doctor.dataset import PUBLISHED_COUNTS
from leadbench.report.names import row_name
from leadbench.results.details import T2MDetails
from leadbench.results.store import RunStore
from leadbench.tasks.shared.selftest import PUBLISHED_IDS, run_self_test
from leadbench.zoo.assets import Choice, open_assets
from leadbench.zoo.store import load_projector

FEW = ("--replications", "1", "--multimodality-replications", "0", "--steps", "1;mld=2")


@pytest.fixture(scope="module")
def assets(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assets(tmp_path_factory.mktemp("official"), golden, tests=44, trains=24, kit_tests=44)


def lead(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, started in a folder."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LEADBENCH_")}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "leadbench.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environ | {"HF_HUB_OFFLINE": "1"},
    )


def records(done: subprocess.CompletedProcess[str]) -> RunStore:
    assert done.returncode == 0, done.stderr
    return RunStore(Path(done.stderr.rpartition("records: ")[2].splitlines()[0]))


def test_random_evaluators_fail_the_self_test_and_nothing_is_written(assets: Path, tmp_path: Path) -> None:
    done = lead(
        assets, "run", "--dataset", "humanml3d", "--backbone", "mld,motionlcm", *FEW, "--out", tmp_path / "runs"
    )
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert "instead of 0.797" in line
    assert "likely causes: (1) the split: test.txt names" in line
    assert "finest.tar" in line
    assert "--skip-self-test" in line
    assert not (tmp_path / "runs").exists()


def test_a_skipped_self_test_stamps_table_and_records(assets: Path, tmp_path: Path) -> None:
    common = ("--dataset", "humanml3d", "--root", assets / "humanml3d", "--skip-self-test", "--out", tmp_path)
    done = lead(assets, "run", *common, "--backbone", "mld,motionlcm", *FEW)
    stored = records(done).records()
    assert {"MLD", "MotionLCM", "Real", "Reconstruction"} <= {row_name(record.row) for record in stored}
    assert "WARNING: the self-test on real motions was skipped" in done.stdout
    assert "left out: 2 motions with NaN or infinity (007975, M007975)" in done.stdout
    assert all("--skip-self-test" in record.details.warnings[0] for record in stored)
    # the published rows stand beside ours, unranked
    line = next(line for line in done.stdout.splitlines() if "LEAD (MLD) (paper)" in line)
    assert "0.109" in line
    assert "**" not in line


def test_evaluator_and_checkpoint_by_url(assets: Path, tmp_path: Path) -> None:
    """With GloVe and the dataset, in the settings or in options: the run is the one of the files here."""
    run = ("run", "--dataset", "humanml3d", "--skip-self-test", "--backbone", "mld", *FEW[:4], "--steps", "mld=2")
    here = lead(assets, *run, "--out", tmp_path / "here")
    store = f"file://{assets}"
    settings, _, _ = (assets / "leadbench.toml").read_text().partition("[datasets.humanml3d]")
    lines = [f'cache = "{tmp_path}/cache"', f'glove = "{store}/deps/glove"', settings, "[datasets.humanml3d]"]
    lines += [f'root = "{store}/humanml3d"', f'checkpoints = {{ mld = "{store}/models/mld_humanml3d.ckpt" }}']
    (tmp_path / "leadbench.toml").write_text("\n".join(lines))
    there = lead(tmp_path, *run, "--evaluator", f"{store}/deps/t2m", "--out", tmp_path / "there")
    values = {records(done).folder.name: [one.metrics for one in records(done).records()] for done in (here, there)}
    assert len(values) == 1
    assert records(there).records()[0].metrics == records(here).records()[0].metrics


def test_kit_ml_with_mld(assets: Path, tmp_path: Path) -> None:
    common = ("--dataset", "kit", "--backbone", "mld", "--steps", "mld=2", *FEW[:4], "--out", tmp_path)
    refused = lead(assets, "run", *common)
    assert refused.returncode == 2
    assert "instead of 0.779" in refused.stderr
    done = lead(assets, "run", *common, "--skip-self-test")
    assert {record.dataset for record in records(done).records()} == {"kit"}
    assert "MLD (paper)" in done.stdout


def test_a_projector_of_mlds_space_is_attached_to_motionlcm(assets: Path, golden: Path, tmp_path: Path) -> None:
    """Aligned to CLIP, driven by T5; and refused where the autoencoder is another one."""
    models = tmp_path / "models"
    train = ("--dataset", "humanml3d", "--models", models, "--preset", "tiny")
    before = {path: path.read_bytes() for path in (assets / "models").glob("*.ckpt")}
    done = lead(assets, "train", "projector", *train, "--backbone", "mld")
    assert done.returncode == 0, done.stderr
    file = models / "projector-mld.safetensors"
    assert load_projector(file).text_encoder == "clip"
    common = ("--dataset", "humanml3d", "--skip-self-test", *FEW[:4], "--out", tmp_path / "runs")
    for chosen in (("--projector", file), ("--models", models)):
        done = lead(assets, "run", *common, *chosen, "--backbone", "motionlcm", "--steps", "1")
        realigned = [record for record in records(done).records() if row_name(record.row) == "LEAD (MotionLCM)"]
        assert realigned
        assert {(r.details.aligned, r.details.driven) for r in realigned if isinstance(r.details, T2MDetails)} == {
            ("clip", "t5")
        }
        assert "aligned clip, driven t5" in done.stdout
    assert all(path.read_bytes() == content for path, content in before.items())
    write_backbone(tmp_path / "other.ckpt", golden, "motionlcm_v1_humanml3d", seed=9)
    other = ("--backbone", "motionlcm", "--steps", "1", "--checkpoint", f"motionlcm={tmp_path / 'other.ckpt'}")
    done = lead(assets, "run", *common, "--projector", file, *other)
    assert done.returncode == 2
    assert "a projector only knows the latents it was trained on" in done.stderr
    done = lead(assets, "run", *common, "--projector", file, *other, "--allow-latent-mismatch")
    assert "WARNING: the projector was trained on another latent space" in done.stdout
    both = ("--models", models, "--backbone", "mld,motionlcm", "--steps", "1;mld=2", *other[-2:])
    done = lead(assets, "run", *common, *both)
    rows = {row_name(record.row) for record in records(done).records()}
    assert {"Reconstruction (MLD)", "Reconstruction (MotionLCM)", "LEAD (MLD)"} <= rows
    assert "LEAD (MotionLCM)" not in rows
    assert "no projector for the latent space of some backbones" in done.stdout


def test_version_two_of_motionlcm_from_its_checkpoint(assets: Path, golden: Path, tmp_path: Path) -> None:
    write_backbone(tmp_path / "v2.ckpt", golden, "motionlcm_v2_humanml3d")
    common = ("--dataset", "humanml3d", "--skip-self-test", *FEW[:4], "--out", tmp_path)
    v2 = ("--backbone", "motionlcm-v2", "--checkpoint", f"motionlcm-v2={tmp_path / 'v2.ckpt'}")
    stored = records(lead(assets, "run", *common, *v2, "--steps", "1,2")).records()
    assert {(r.row.steps, r.row.guidance) for r in stored if r.row.backbone == "motionlcm-v2"} == {(1, 8.0), (2, 12.5)}
    refused = lead(assets, "run", *common, *v2, "--steps", "3")
    assert "does not support 3 steps" in refused.stderr
    assert "no checkpoint" in lead(assets, "run", *common, *v2[:2], "--steps", "1").stderr


def test_doctor_names_what_is_off(assets: Path) -> None:
    done = lead(assets, "doctor", "--dataset", "humanml3d", "--evaluator", "deps/t2m")
    assert done.returncode == 2
    assert "! ids of test" in done.stdout
    assert "4,384 are published" in done.stdout
    assert "R@3 0" in done.stdout
    assert "likely cause 1" in done.stdout
    assert "007975.npy" not in done.stdout  # published so
    kit = lead(assets, "doctor", "--dataset", "kit").stdout
    assert "6,278 are published" in kit
    assert "the paper counts 6,353" in kit
    missing = lead(assets, "doctor", "--dataset", "humanml3d", "--evaluator", "models")
    assert "finest.tar: no such file" in missing.stdout


def test_doctor_passes_on_data_as_published(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files in no split and clips that are too short are in the releases; the self-test then decides."""
    root = tmp_path / "humanml3d"
    shutil.copytree(assets / "humanml3d", root)
    for path in (root / "new_joint_vecs" / "000000.npy", root / "texts" / "000000.txt"):
        shutil.copyfile(path, path.with_stem("014615"))  # in no split
    short = root / "new_joint_vecs" / f"{(root / 'test.txt').read_text().split()[0]}.npy"
    np.save(short, np.load(short)[:10])
    ids = {split: len((root / f"{split}.txt").read_text().split()) for split in ("train", "val", "test")}
    texts = [path for path in (root / "texts").glob("*.txt") if not path.stem.startswith("M")]
    counts = {
        "motions": len(texts),
        "captions": sum(len(path.read_text().split("\n")) - 2 for path in texts),
        "ids": sum(ids.values()),
    }
    monkeypatch.setitem(PUBLISHED_COUNTS, "humanml3d", counts)
    monkeypatch.setitem(PUBLISHED_IDS, "humanml3d", ids)
    for name in ("clip", "t5"):
        monkeypatch.setenv(f"LEADBENCH_ENCODERS__{name.upper()}", str(assets / "deps" / name))
    command = ["leadbench", "doctor", "--dataset", "humanml3d", "--root", str(root)]
    monkeypatch.setattr(sys, "argv", [*command, "--evaluator", str(assets / "deps" / "t2m")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2  # a random evaluator: nothing but the self-test is wrong
    first = capsys.readouterr().out
    wrong = [line for line in first.splitlines() if line.startswith("!")]
    assert wrong
    assert all(line.startswith(("! self-test", "! likely cause")) for line in wrong)
    found = {key: float(re.search(rf"{name} ([\d.]+)", first)[1]) for key, name in NAMES.items()}  # type: ignore[index]
    monkeypatch.setattr("leadbench.tasks.shared.selftest.published_real", lambda name: found)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert not [line for line in out.splitlines() if line.startswith("!")]
    assert "1 motions are in no split" in out
    assert "has 10 frames" in out


NAMES = {"r_precision_3": "R@3", "fid": "FID", "mm_dist": "MM-Dist"}


def test_likely_causes_are_found_where_they_are(assets: Path, tmp_path: Path) -> None:
    opened = open_assets(_choice(assets))
    samples = opened.dataset.load("test")[0]
    wrong = {"r_precision_3": 0.1, "mm_dist": 9.0, "fid": 5.0}

    def causes() -> str:
        evaluator = opened.models.evaluator()
        found = run_self_test(opened.dataset, evaluator, samples, wrong, SelfTestSettings())
        assert found is not None
        return " | ".join(found.causes)

    assert "statistics file" not in causes()
    assert "word vectors" not in causes()
    meta = opened.models.files.evaluator / "t2m" / "Comp_v6_KLD01" / "meta"  # type: ignore[operator]
    good = (meta / "mean.npy").read_bytes(), (meta / "std.npy").read_bytes()
    for source, target in (("Mean", "mean"), ("Std", "std")):
        shutil.copyfile(opened.root / f"{source}.npy", meta / f"{target}.npy")
    assert "dataset's own Mean.npy and Std.npy" in causes()
    np.save(meta / "std.npy", 9 * np.load(meta / "std.npy"))
    assert "normalised by it have mean" in causes()
    for name, content in zip(("mean.npy", "std.npy"), good, strict=True):
        (meta / name).write_bytes(content)
    glove = assets / "deps" / "glove"
    kept = {path: path.read_bytes() for path in glove.iterdir()}
    shutil.copytree(glove, tmp_path / "glove")
    try:
        _forget_words(glove)
        assert "of the captions' words are unknown" in causes()
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert "NaN motions" not in causes()  # but for the two that are published so
    broken = opened.root / "new_joint_vecs" / f"{samples[0].id.partition('#')[0]}.npy"
    kept_motion = broken.read_bytes()
    try:
        np.save(broken, np.full((60, 263), np.nan, np.float32))
        assert "NaN motions: 1 of the test split" in causes()
        assert broken.stem in causes()
    finally:
        broken.write_bytes(kept_motion)
    passed = {"r_precision_3": 0.80, "mm_dist": 2.95, "fid": 0.001}
    found = run_self_test(opened.dataset, opened.models.evaluator(), samples, passed, SelfTestSettings())
    assert found is not None
    assert found.passed
    found.require()


def _choice(assets: Path) -> Choice:
    return Choice("humanml3d", root=assets / "humanml3d", evaluator=assets / "deps" / "t2m")


def _forget_words(glove: Path) -> None:
    words = ["sos", "eos", "unk"]
    (glove / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    (glove / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(words)}))


def test_imported_files_need_no_settings(assets: Path, tmp_path: Path) -> None:
    """Import everything once; the run then reads the model folder alone."""
    models, root = tmp_path / "models", assets / "humanml3d"
    for source in ("models/mld_humanml3d.ckpt", "models/motionlcm.ckpt", "deps/t2m", "deps/glove"):
        done = lead(assets, "zoo", "import", source, "--root", root, "--models", models)
        assert done.returncode == 0, done.stderr
    names = {path.name for path in models.glob("*.safetensors")}
    assert names == {f"{name}.safetensors" for name in ("mld", "motionlcm", "evaluator", "glove")}
    (tmp_path / "leadbench.toml").write_text(
        "\n".join(["[encoders]", *(f'{name} = "{assets / "deps" / name}"' for name in ("clip", "t5"))])
    )
    common = ("--dataset", "humanml3d", "--root", root, "--skip-self-test", "--backbone", "mld,motionlcm", *FEW)
    imported = records(lead(tmp_path, "run", *common, "--models", models, "--out", tmp_path / "a")).records()
    direct = records(lead(assets, "run", *common, "--out", tmp_path / "b")).records()
    assert {r.key: r.metrics for r in imported} == {r.key: r.metrics for r in direct}
    assert json.loads((models / "mld.json").read_text())["provenance"]["left_out"]
