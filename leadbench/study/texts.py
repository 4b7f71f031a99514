"""What participants read, by language: one TOML file each, which must have all that the English one has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from leadbench.core.errors import ConfigError, nearest, unknown_name
from leadbench.core.toml import read_toml

SHIPPED = ("en", "de")
_LISTS = ("consent",)
_FILLED = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Question:
    """A question about participants: its text, and choice -> text."""

    text: str
    choices: Mapping[str, str]


@dataclass(frozen=True)
class Texts:
    """Texts of one language.

    Attributes:
        values: by key; ``consent`` is a list of paragraphs.
        demographics: questions by name.
        captions: translations of captions, where the file has some.
    """

    values: Mapping[str, Any]
    demographics: Mapping[str, Question]
    captions: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def filled(self, key: str, **words: object) -> str:
        """A text with the words in braces filled in; other braces stay."""
        return _FILLED.sub(lambda found: str(words[found[1]]), str(self.values[key]))

    def caption(self, text: str) -> str:
        """A caption in this language, or as it is."""
        return self.captions.get(text, text)


def language_file(name: str) -> Path:
    """File of a shipped language, or the file itself.

    Raises:
        UnknownNameError: neither.
    """
    if name in SHIPPED:
        return Path(str(files("leadbench.study") / "languages" / f"{name}.toml"))
    path = Path(name)
    if not path.is_file():
        raise unknown_name("language", name, SHIPPED, where="--language (a name, or a file)")
    return path


def read_texts(path: Path, demographics: Mapping[str, Sequence[str]] | None = None) -> Texts:
    """Texts of a file.

    Args:
        path: TOML.
        demographics: questions and choices that it must have; default: whatever it has.

    Raises:
        ConfigError: a text is missing or unknown, lacks words in braces, or is of another kind.
    """
    found = read_toml(path)
    questions = _questions(path, found.pop("demographics", {}))
    captions = found.pop("captions", {})
    if not isinstance(captions, dict) or not all(isinstance(text, str) for text in captions.values()):
        raise ConfigError(f"{path}: captions: needed: a table of texts")
    _check(path, found)
    for name, choices in (demographics or {}).items():
        there = questions.get(name)
        if there is None:
            raise ConfigError(f"{path}: has no question [demographics.{name}], which the study asks")
        missing = [choice for choice in choices if choice not in there.choices]
        if missing:
            raise ConfigError(f"{path}: demographics.{name} has no choice {missing[0]!r}")
    return Texts(found, questions, captions)


def _check(path: Path, found: Mapping[str, Any]) -> None:
    """The keys of the English file, of the same kind, with the same words in braces."""
    reference = read_toml(language_file("en"))
    reference.pop("demographics")
    for key in found:
        if key not in reference:
            guess = nearest(key, reference)
            raise ConfigError(f"{path}: unknown text {key!r}{f' (did you mean {guess!r}?)' if guess else ''}")
    for key, text in reference.items():
        if key not in found:
            raise ConfigError(f"{path}: has no text {key!r}; in English: {str(text)[:60]!r}")
        given = found[key]
        lines = given if key in _LISTS else [given]
        if not isinstance(lines, list) or not all(isinstance(line, str) and line.strip() for line in lines):
            raise ConfigError(f"{path}: {key}: needed: {'a list of texts' if key in _LISTS else 'a text'}")
        words, needed = set(_FILLED.findall(" ".join(lines))), set(_FILLED.findall(str(text)))
        if words != needed:
            wrong = sorted(words ^ needed)[0]
            raise ConfigError(f"{path}: {key}: {{{wrong}}} is {'missing' if wrong in needed else 'not filled in here'}")


def _questions(path: Path, given: object) -> dict[str, Question]:
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: demographics: needed: a table for each question")
    found = {}
    for name, question in given.items():
        text = question.get("question") if isinstance(question, dict) else None
        choices = question.get("choices") if isinstance(question, dict) else None
        if not isinstance(text, str) or not isinstance(choices, dict) or not choices:
            raise ConfigError(f"{path}: demographics.{name}: needed: question = TEXT and a table choices")
        if not all(isinstance(value, str) for value in choices.values()):
            raise ConfigError(f"{path}: demographics.{name}: choices are not texts")
        found[name] = Question(text, choices)
    return found
