"""Answers on the disk: exported, imported, merged; files of other studies are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from studies import make_study

from leadbench.core.errors import ConfigError, ResultsError
from leadbench.study.answers import Answers
from leadbench.study.exchange import export_answers, import_answers
from leadbench.study.plan import Study, motion_path
from leadbench.study.texts import language_file, read_texts


def opened(study: Study, name: str = "answers.sqlite") -> Answers:
    return Answers(study.folder / name, study.plan.identity)


def filled(study: Study, name: str, people: str) -> Answers:
    answers = opened(study, name)
    for person in people:
        answers.begin(person * 64, "en")
        answers.tell(person * 64, {"age": "25-34"})
        answers.show(person * 64, "realism", "pair-01")
        assert answers.rate(person * 64, "realism", "pair-01", 2, 4)
    return answers


def test_answers_travel_and_meet(study: Study, tmp_path: Path) -> None:
    here, there = filled(study, "a.sqlite", "ab"), filled(study, "b.sqlite", "bc")
    here.rate("b" * 64, "realism", "pair-01", 5, 5)  # the later one counts
    here.finish("b" * 64)
    files = [tmp_path / "here.jsonl", tmp_path / "there.jsonl"]
    assert export_answers(study, here, files[0]) == 2
    assert export_answers(study, there, files[1]) == 2
    together = opened(study, "c.sqlite")
    assert import_answers(study, together, files) == 3
    assert import_answers(study, together, list(reversed(files))) == 0
    found = {person.id[0]: person for person in together.participants()}
    assert sorted(found) == ["a", "b", "c"]
    assert found["b"].answers == {("realism", "pair-01"): (5, 5)}
    assert found["b"].finished is not None
    assert found["a"] == here.participant("a" * 64)
    assert export_answers(study, together, tmp_path / "all.jsonl") == 3


def test_the_order_of_files_does_not_matter(study: Study, tmp_path: Path) -> None:
    here, there = filled(study, "a.sqlite", "b"), filled(study, "b.sqlite", "b")
    here.rate("b" * 64, "realism", "pair-01", 5, 5)
    files = [tmp_path / "here.jsonl", tmp_path / "there.jsonl"]
    export_answers(study, here, files[0])
    export_answers(study, there, files[1])
    for name, order in (("c.sqlite", files), ("d.sqlite", files[::-1])):
        together = opened(study, name)
        import_answers(study, together, order)
        (person,) = together.participants()
        assert person.answers == {("realism", "pair-01"): (5, 5)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: ["{}"], "no exported answers"),
        (lambda lines: [], "no exported answers"),
        (
            lambda lines: [lines[0].replace(json.loads(lines[0])["leadbench_study"], "0" * 64), *lines[1:]],
            "another study",
        ),
        (lambda lines: [lines[0], lines[1].replace("pair-01", "pair-77")], "no item of the study"),
        (lambda lines: [lines[0], lines[1].replace("2, 4", "2, 9")], "not 1 to 5"),
        (lambda lines: [lines[0], lines[1].replace("a" * 64, "a" * 5)], "no participant"),
        (lambda lines: [lines[0], lines[1][:-9]], ":2: not JSON"),
    ],
)
def test_files_that_are_no_answers_are_refused_whole(study: Study, tmp_path: Path, change: object, told: str) -> None:
    path = tmp_path / "a.jsonl"
    export_answers(study, filled(study, "a.sqlite", "a"), path)
    lines = change(path.read_text().splitlines())  # type: ignore[operator]
    path.write_text("\ufeff" + "\r\n".join(lines))
    together = opened(study, "c.sqlite")
    with pytest.raises(ResultsError, match=told):
        import_answers(study, together, [path])
    assert together.participants() == []


def test_answers_of_another_study_are_not_continued(study: Study, tmp_path: Path) -> None:
    opened(study).close()
    other = make_study(tmp_path / "other", seed=9)
    study.answers_path.replace(other.answers_path)
    with pytest.raises(ResultsError, match="another study"):
        opened(other)
    other.answers_path.write_bytes(b"no database at all, but long enough to be looked at")
    with pytest.raises(ResultsError, match="no file of answers"):
        opened(other)


def test_a_study_whose_motions_changed_is_not_shown(study: Study) -> None:
    path = motion_path(study.folder, "pair-01", 1)
    path.write_bytes(motion_path(study.folder, "pair-02", 1).read_bytes())
    with pytest.raises(ConfigError, match="motions changed"):
        Study(study.folder)
    with pytest.raises(ConfigError, match="no study in it"):
        Study(study.folder / "motions")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace('next = "Next"\n', ""), "has no text 'next'"),
        (lambda text: text.replace('next = "Next"', 'nexxt = "Next"'), "did you mean 'next'"),
        (lambda text: text.replace("{letter}?", "?", 1), "realism_question: {letter} is missing"),
        (lambda text: text.replace('"Start"', '"Start {now}"'), "start: {now} is not filled in here"),
        (lambda text: text.replace('start = "Start"', "start = 3"), "start: needed: a text"),
        (lambda text: text.replace("[demographics.age]", "[demographics.years]"), r"no question \[demographics.age\]"),
        (lambda text: text.replace("under-25", "younger"), "no choice 'under-25'"),
        (lambda text: "start = ", "not TOML"),
    ],
)
def test_texts_are_whole(tmp_path: Path, change: object, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(change(language_file("en").read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(ConfigError, match=told):
        read_texts(path, {"age": ("under-25",)})


def test_captions_may_be_translated(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(language_file("de").read_text(encoding="utf-8") + '\n[captions]\n"someone walks" = "jemand geht"\n')
    texts = read_texts(path)
    assert (texts.caption("someone walks"), texts.caption("someone jumps")) == ("jemand geht", "someone jumps")
