"""Part-of-speech tags for the captions of a dataset of one's own, so that evaluators of Guo et al. can read them.

With spaCy, tokens are those of HumanML3D (``text_process.py``): words of letters alone, hyphens taken out, nouns and
verbs by their lemma, except ``left``. Without it a lexicon of words of movement tags, and guesses the rest by endings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadbench.core.errors import ConfigError, DataError
from leadbench.core.files import write_text_atomic
from leadbench.core.reading import read_lines
from leadbench.data.format import parse_caption
from leadbench.data.prepare.tagging import tag

TAGGERS = ("auto", "spacy", "lexicon")
MODEL = "en_core_web_sm"
Tagger = Callable[[str], list[str]]


@dataclass
class TagReport:
    """What was done: captions tagged, captions that had tags, and words that were guessed, by how often."""

    tagger: str
    tagged: int = 0
    kept: int = 0
    guessed: Counter[str] = field(default_factory=Counter)


def tag_folder(root: Path, tagger: str = "auto", *, again: bool = False) -> TagReport:
    """Tag the captions of ``texts/``: lines of a caption alone, or of four fields whose tokens lack tags.

    Each file is replaced in one step. A line that has tags stays unless ``again``.

    Raises:
        DataError: there is no such folder, or a line is neither.
        ConfigError: no such tagger, or spaCy or its model is missing where it is asked for.
    """
    texts = Path(root) / "texts"
    if not texts.is_dir():
        raise DataError(f"dataset {root}: missing folder texts/ (one file ID.txt for each motion, one caption a line)")
    report = TagReport("lexicon")
    tags = _tagger(tagger, report)
    for path in sorted(texts.glob("*.txt")):
        lines = [_tagged(line, f"{path}:{number}", tags, report, again) for number, line in read_lines(path)]
        text = "".join(f"{line}\n" for line in lines)
        if text != path.read_text(encoding="utf-8", errors="replace"):
            write_text_atomic(path, text)
    return report


def _tagged(line: str, where: str, tags: Tagger, report: TagReport, again: bool) -> str:
    fields = line.split("#")
    if len(fields) not in (1, 4):
        raise DataError(f"{where}: {len(fields)} fields; needed: a caption alone, or caption#tokens#from#to")
    caption, times = fields[0].strip(), fields[2:] or ["0.0", "0.0"]
    if len(fields) == 4 and not again:
        try:
            if parse_caption(line, where)[0].tokens:
                report.kept += 1
                return line
        except DataError:
            pass  # it lacks tags, which is why it is here; times that are wrong are found below
    tagged = "#".join([caption, " ".join(tags(caption)), *times])
    parse_caption(tagged, where)
    report.tagged += 1
    return tagged


def _tagger(name: str, report: TagReport) -> Tagger:
    if name not in TAGGERS:
        raise ConfigError(f"--tagger {name}: must be {', '.join(TAGGERS[:-1])} or {TAGGERS[-1]}")
    if name != "lexicon":
        try:
            pipeline = _spacy()
        except ConfigError:
            if name == "spacy":
                raise
        else:
            report.tagger = "spacy"
            return lambda caption: _as_humanml3d(pipeline(caption.replace("-", "")))
    return lambda caption: _by_lexicon(caption, report.guessed)


def _spacy() -> Any:
    try:
        import spacy
    except ImportError as exc:
        raise ConfigError("--tagger spacy: not installed (pip install 'leadbench[tag]')") from exc
    try:
        return spacy.load(MODEL)
    except OSError as exc:
        raise ConfigError(
            f"--tagger spacy: its model is not installed (python -m spacy download {MODEL}, on a machine that is "
            f"connected, or pip install its wheel)"
        ) from exc


def _as_humanml3d(document: Any) -> list[str]:
    found = []
    for token in document:
        if token.text.isalpha():
            by_lemma = token.pos_ in ("NOUN", "VERB") and token.text != "left"
            found.append(f"{token.lemma_ if by_lemma else token.text}/{token.pos_}")
    return found


def _by_lexicon(caption: str, guessed: Counter[str]) -> list[str]:
    found = []
    for word in "".join(c if c.isalpha() else " " for c in caption.lower().replace("-", "")).split():
        try:
            found += tag(word)
        except DataError:
            guessed[word] += 1
            found.append(f"{word}/{_guess(word)}")
    return found


def _guess(word: str) -> str:
    """A tag by the ending.

    >>> _guess("swiftly"), _guess("juggling"), _guess("banana")
    ('ADV', 'VERB', 'NOUN')
    """
    if word.endswith("ly"):
        return "ADV"
    return "VERB" if word.endswith(("ing", "ed", "es")) else "NOUN"
