"""A user study from the command line to the table and the verdicts of Figure 5."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import call
from studies import Visitor, answered, at_random, make_study, served

import leadbench
from leadbench.core.errors import ConfigError
from leadbench.metrics.ratings import crossed_test, krippendorff_alpha
from leadbench.results.store import load_runs
from leadbench.study.answers import Answers
from leadbench.study.order import items_of
from leadbench.study.plan import PARTS, Study
from leadbench.study.texts import language_file


@pytest.fixture(scope="module")
def assets(tiny: Path) -> tuple[object, ...]:
    return ("--dataset", tiny / "data", "--models", tiny / "models")


def test_from_models_to_verdicts(
    tiny: Path, assets: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, runs = tmp_path / "study", tmp_path / "runs"
    assert call("study", "create", folder, *assets, "--pairs", 4, "--candidates", 12, "--steps", "mld=4") == 0
    study = Study(folder)
    assert [side.row.projector for side in study.plan.sides] == [None, "lead"]
    assert len({pair.caption for pair in study.plan.pairs}) == 4
    assert all(pair.change > 0 for pair in study.plan.pairs)
    answered(study, 9)
    capsys.readouterr()
    assert call("study", "results", folder, "--out", runs, "--figure", tmp_path / "figure.png") == 0
    told = capsys.readouterr().out
    assert "LEAD (MLD), 4 steps less MLD, 4 steps" in told
    assert "4 pairs, the most different of 12; 9 participants" in told
    assert re.search(r"gender +\| woman +\| +4 \| 44 %", told)
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    (run,) = load_runs(runs)
    assert len(run.records) == 18
    for form in ("latex", "csv", "json", "html"):
        assert call("tables", run.folder, "--format", form) == 0
    capsys.readouterr()
    assert call("claims", runs, "--format", "json") in (0, 3, 4)
    (judged,) = json.loads(capsys.readouterr().out)
    verdicts = {claim["name"]: claim for claim in judged["claims"] if claim["comparisons"]}
    assert set(verdicts) == {"figure5.mld.realism", "figure5.mld.relevance"}
    assert verdicts["figure5.mld.realism"]["comparisons"][0]["paper"] == "2.75 → 3.81"
    assert verdicts["figure5.mld.realism"]["verdict"] == "holds"
    report = tmp_path / "report.html"
    assert call("report", runs, "--out", report) == 0
    assert "User study" in report.read_text(encoding="utf-8")


def test_the_same_from_python(tiny: Path, assets: tuple[object, ...], tmp_path: Path) -> None:
    opened = leadbench.open_dataset(tiny / "data", models=tiny / "models")
    content = leadbench.StudyRequest(pairs=3, candidates=6, languages=("en",))
    study = leadbench.create_study(tmp_path / "a", "mld", "mld+lead", opened, content=content, steps={"mld": [4]})
    shell = ("--pairs", 3, "--candidates", 6, "--steps", "mld=4", "--language", "en")
    assert call("study", "create", tmp_path / "b", *assets, *shell) == 0
    assert study.plan.identity == leadbench.load_study(tmp_path / "b").plan.identity
    answered(study, 5)
    results = leadbench.study_results(study, out=tmp_path / "runs")
    assert call("study", "results", study.folder, "--out", tmp_path / "shell") == 0
    assert leadbench.load_results(tmp_path / "shell").dicts() == results.dicts()
    assert {line["name"] for line in results.dicts()} == {"MLD", "LEAD (MLD)"}
    assert "5 participants" in results.table()
    (judged,) = leadbench.judge_claims(tmp_path / "runs")
    assert any(claim["comparisons"] for claim in judged["claims"])


def test_numbers_are_those_of_the_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study(tmp_path / "study", pairs=5)
    answered(study, 7, seed=3)
    assert call("study", "results", study.folder, "--out", tmp_path / "runs", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    answers = Answers(study.answers_path, study.plan.identity)
    expected = {}
    for part in PARTS:
        sides = np.empty((2, 7, 5))
        for row, person in enumerate(answers.participants()):
            for item in items_of(study.plan, person.id)[part]:
                if item.wanted is None:
                    a, b = person.answers[part, item.name]
                    sides[:, row, int(item.name[-2:]) - 1] = (b, a) if item.swapped else (a, b)
        expected[part] = sides
    answers.close()
    for side, line in enumerate(told["rows"]):
        for part in PARTS:
            by_person = expected[part][side].mean(axis=1)
            assert line[part]["mean"] == pytest.approx(by_person.mean())
            assert line[part]["half_width"] == pytest.approx(1.96 * by_person.std() / np.sqrt(7))
    for found in told["differences"]:
        first, second = expected[found["asked"]]
        test = crossed_test(second - first)
        assert (found["mean"], found["low"], found["p_value"]) == pytest.approx((test.mean, test.low, test.p_value))
        assert found["alpha"] == pytest.approx(krippendorff_alpha(np.concatenate([first, second], axis=1)))
        assert found["higher_equal_lower"][0] == pytest.approx((second > first).mean())


def test_who_did_not_finish_or_read_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study(tmp_path / "study")
    answered(study, 4)
    answers = Answers(study.answers_path, study.plan.identity)
    answers.begin("f" * 64, "en")
    careless = f"{1:064x}"
    answers._file.execute("UPDATE participants SET finished = NULL WHERE id = ?", (careless,))
    for item in items_of(study.plan, careless)["realism"]:
        if item.wanted:
            answers.rate(careless, "realism", item.name, *item.wanted[::-1])
    answers.finish(careless)
    answers.close()
    assert call("study", "results", study.folder, "--out", tmp_path / "runs") == 0
    told = capsys.readouterr().out
    assert "3 participants; left out: 1 failed an attention check, 1 did not finish" in told.replace(
        "1 did not finish, 1 failed an attention check", "1 failed an attention check, 1 did not finish"
    )
    assert call("study", "results", study.folder, "--out", tmp_path / "runs", "--failed-checks") == 0
    assert "4 participants; left out: 1 did not finish" in capsys.readouterr().out
    assert len(load_runs(tmp_path / "runs")) == 2


def test_answers_of_two_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = make_study(tmp_path / "here"), make_study(tmp_path / "there")
    answered(here, 3)
    answered(there, 5)
    assert call("study", "export", there.folder, tmp_path / "there.jsonl") == 0
    assert call("study", "import", here.folder, tmp_path / "there.jsonl") == 0
    assert call("study", "import", here.folder, tmp_path / "there.jsonl") == 0
    assert "0 participants are new or have changed; 5 in all" in capsys.readouterr().out
    other = make_study(tmp_path / "other", seed=4)
    assert call("study", "import", other.folder, tmp_path / "there.jsonl") == 2
    assert "of another study" in capsys.readouterr().err


@pytest.mark.parametrize("choose", ["random", "stratified"])
def test_folders_and_real_motions(
    assets: tuple[object, ...], tmp_path: Path, choose: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of joints against the real motions that they were made of."""
    first = make_first(assets, tmp_path)
    folder = tmp_path / "study"
    made = ("study", "create", folder, *assets, "--first", first, "--second", "real", "--pairs", 3)
    assert call(*made, "--choose", choose, "--ask", "none", "--language", "en") == 0
    study = Study(folder)
    assert [side.name for side in study.plan.sides] == ["motions", "Real"]
    assert study.plan.demographics == {}
    for pair in study.plan.pairs:
        given, real = study.motions[pair.name]
        assert given.shape[1:] == real.shape[1:] == (22, 3)
        assert len(given) <= len(real)
    answered(study, 3)
    assert call("study", "results", folder, "--out", tmp_path / "runs") == 0
    assert "Participants" not in capsys.readouterr().out


def test_folders_of_generate(assets: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Captions of one's own: two folders that hold them, or one and a model."""
    captions = ["a person waves", "someone jumps", "a man walks in a circle"]
    for name, backbone in (("ours", "mld"), ("theirs", "motionlcm")):
        made = ("generate", *captions[: 3 if name == "ours" else 2], *assets, "--backbone", backbone, "--steps", 2)
        assert call(*made, "--frames", 40, "--as", "npy", "--out", tmp_path / name) == 0
    folder = tmp_path / "study"
    command = ("study", "create", folder, *assets, "--first", tmp_path / "ours", "--pairs", 2)
    assert call(*command, "--second", tmp_path / "theirs") == 0
    study = Study(folder)
    assert [side.name for side in study.plan.sides] == ["ours", "theirs"]
    assert sorted(pair.caption for pair in study.plan.pairs) == captions[:2]
    (file,) = (tmp_path / "ours").glob("000-*.joints.npy")
    waves = next(pair.name for pair in study.plan.pairs if pair.caption == captions[0])
    np.testing.assert_allclose(study.motions[waves][0], np.load(file), atol=1e-4)
    command = ("study", "create", tmp_path / "other", *command[3:])
    assert call(*command, "--second", "mld+lead", "--steps", "mld=2", "--choose", "random") == 0
    assert {len(joints) for pair in Study(tmp_path / "other").motions.values() for joints in pair} == {40}
    assert call("study", "create", tmp_path / "third", *command[3:], "--second", "real") == 2
    assert "real: has motions of the test split" in " ".join(capsys.readouterr().err.split())


def test_a_language_of_ones_own_with_captions(assets: tuple[object, ...], tmp_path: Path) -> None:
    """A file that is neither shipped nor whole in English reaches the page that participants see."""
    captions = ["a person waves", "someone jumps"]
    made = ("generate", *captions, *assets, "--backbone", "mld", "--steps", 2, "--frames", 40, "--as", "npy")
    assert call(*made, "--out", tmp_path / "ours") == 0
    texts = language_file("de").read_text(encoding="utf-8") + "".join(
        ["\n[captions]\n", *(f'"{caption}" = "übersetzt {number}"\n' for number, caption in enumerate(captions))]
    )
    (tmp_path / "mine.toml").write_text("\ufeff" + texts, encoding="utf-8")
    folder = tmp_path / "study"
    command = ("study", "create", folder, *assets, "--first", tmp_path / "ours", "--second", "mld+lead", "--pairs", 2)
    assert call(*command, "--steps", "mld=2", "--language", tmp_path / "mine.toml", "--checks", 0) == 0
    study = Study(folder)
    answers = Answers(study.answers_path, study.plan.identity)
    with served(study, answers) as address:
        visitor = Visitor(address).begin("mine")
        while not visitor.at.startswith("/rate/relevance"):
            visitor.step(at_random(0))
        assert "Teil 2" in visitor.page
        assert "übersetzt" in visitor.page
    answers.close()


def make_first(assets: tuple[object, ...], tmp_path: Path) -> Path:
    """Every test motion's joints, a little moved."""
    root = Path(str(assets[1]))
    folder = tmp_path / "motions"
    folder.mkdir()
    for name in (root / "test.txt").read_text().split():
        joints = np.load(root / "new_joints" / f"{name}.npy")
        np.save(folder / f"{name}.npy", joints + np.array([0.0, 0.01, 0.0]))
    return folder


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--first", "mdl"], "unknown backbone 'mdl'"),
        (["--second", "mld+leed"], "mld+leed: unknown projector or control 'leed'"),
        (["--second", "mld"], "are the same row"),
        (["--second", "no/folder"], "no/folder: no such folder"),
        (["--pairs", "500"], "--pairs 500: there are"),
        (["--choose", "worst"], "unknown way to choose 'worst' (allowed: changed, random, stratified)"),
        (["--language", "eng"], "unknown language 'eng'"),
        (["--ask", "height"], "--ask: unknown question 'height'"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_left(
    assets: tuple[object, ...], tmp_path: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("study", "create", tmp_path / "study", *assets, "--candidates", 8, "--steps", "mld=2", *arguments) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_folders_that_are_no_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "results"):
        assert call("study", command, tmp_path) == 2
        assert "no study in it" in capsys.readouterr().err
    study = make_study(tmp_path / "study")
    assert call("study", "results", study.folder, "--out", tmp_path / "runs") == 2
    assert "no answers yet" in capsys.readouterr().err
    answered(study, 1)
    assert call("study", "results", study.folder, "--out", tmp_path / "runs") == 2
    assert "1 participants count" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError):
        Study(tmp_path / "nowhere")


def test_power_of_the_papers_studies_and_of_a_pilots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("study", "power", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["size"] for row in rows} == {1.06, 0.85, 2.1, 2.5}
    published = next(row for row in rows if row["size"] == 0.85 and row["pairs"] == 10)
    assert 0.8 < published["power_40"] < 1
    study = make_study(tmp_path / "study", pairs=6)
    answered(study, 6)
    assert call("study", "results", study.folder, "--out", tmp_path / "runs") == 0
    (run,) = load_runs(tmp_path / "runs")
    capsys.readouterr()
    assert call("study", "power", "--pilot", run.folder, "--difference", 0.5) == 0
    assert "the given difference, relevance" in capsys.readouterr().out


def test_serving_says_where_and_refuses_a_port_that_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    study = make_study(tmp_path / "study")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert call("study", "serve", study.folder, "--port", taken.getsockname()[1]) == 2
    assert "cannot be listened on" in capsys.readouterr().err
    assert call("study", "serve", study.folder, "--host", "no.such.host.example") == 2


def test_texts_are_printed_to_be_translated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("study", "texts", "de") == 0
    assert 'language = "Deutsch"' in capsys.readouterr().out
