"""Captions of one's own get tags, with spaCy's interface or by the lexicon, and are read by a run then."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from folders import write_folder

from leadbench.cli.main import main
from leadbench.core.errors import ConfigError, DataError
from leadbench.data.format import read_captions
from leadbench.data.tag_folder import tag_folder
from leadbench.zoo.embedded import shipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("a person walks\n\nsomeone juggles bananas swiftly#x y#1.0#2.5\n")
    (texts / "b.txt").write_bytes("\ufeffa person runs#a/DET person/NOUN run/VERB#0.0#0.0\r\n".encode())
    return tmp_path


def test_the_lexicon_tags_and_guesses(folder: Path) -> None:
    report = tag_folder(folder, "lexicon")
    assert (report.tagged, report.kept) == (2, 1)
    assert {"juggles", "bananas"} <= set(report.guessed)
    first, second = read_captions(folder / "texts" / "a.txt")
    assert first.text.tokens == ("a/DET", "person/NOUN", "walk/VERB")
    assert (second.begin, second.end) == (1.0, 2.5)
    assert second.text.tokens[0] == "someone/PRON"
    assert (folder / "texts" / "b.txt").read_text() == "a person runs#a/DET person/NOUN run/VERB#0.0#0.0\n"
    again = tag_folder(folder, "lexicon")
    assert (again.tagged, again.kept) == (0, 3)
    assert tag_folder(folder, "lexicon", again=True).tagged == 3


@dataclass
class Token:
    text: str
    lemma_: str
    pos_: str


WORDS = {
    "the": Token("the", "the", "DET"),
    "men": Token("men", "man", "NOUN"),
    "left": Token("left", "leave", "VERB"),
    "walking": Token("walking", "walk", "VERB"),
    "tjumps": Token("tjumps", "tjump", "NOUN"),
    ".": Token(".", ".", "PUNCT"),
}


def test_spacy_gives_the_tokens_of_humanml3d(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules: letters alone, lemmas of nouns and verbs, ``left`` as it is, hyphens taken out."""
    spacy = ModuleType("spacy")
    spacy.load = lambda name: lambda text: [WORDS[word] for word in text.split()]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    (folder / "texts" / "a.txt").write_text("the men left walking t-jumps .\n")
    (folder / "texts" / "b.txt").unlink()
    assert tag_folder(folder).tagger == "spacy"
    assert (folder / "texts" / "a.txt").read_text() == (
        "the men left walking t-jumps .#the/DET man/NOUN left/VERB walk/VERB tjump/NOUN#0.0#0.0\n"
    )


def test_what_is_missing_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ConfigError, match=r"pip install 'leadbench\[tag\]'"):
        tag_folder(folder, "spacy")
    with pytest.raises(ConfigError, match="--tagger x: must be auto, spacy or lexicon"):
        tag_folder(folder, "x")
    with pytest.raises(DataError, match="missing folder texts/"):
        tag_folder(folder / "texts")
    (folder / "texts" / "c.txt").write_text("a#b\n")
    with pytest.raises(DataError, match=r"c\.txt:1: 2 fields"):
        tag_folder(folder, "lexicon")


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["leadbench", "data", "tag", str(folder), "--tagger", "lexicon"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    said = capsys.readouterr()
    assert "2 captions tagged by lexicon, 1 had tags" in said.out
    assert "words were guessed by their ending" in said.err


def test_captions_alone_end_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dataset whose captions have no tags is refused by a run, tagged, and measured."""
    names = [f"{n:06d}" for n in range(10)]
    data = write_folder(tmp_path / "data", {"test": names[:6], "val": names[6:8], "train": names[8:]})
    for path in (data / "texts").glob("*.txt"):
        path.write_text(path.read_text().partition("#")[0] + "\n")

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["leadbench", "-q", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out + said.err

    run = ("run", "--backbone", "motionlcm", "--dataset", str(data), "--models", str(shipped().folder), "--quick")
    run += ("--replications", "1", "--multimodality-replications", "0", "--out", str(tmp_path / "runs"))
    code, refused = call(*run)
    assert (code, "leadbench data tag" in refused) == (2, True)
    assert call("data", "tag", str(data), "--tagger", "lexicon")[0] == 0
    code, table = call(*run)
    assert code == 0
    assert "| LEAD (MotionLCM)" in table
