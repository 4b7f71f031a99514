"""Answers as files, for studies that run on several machines: JSON lines, a header and one line a participant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from leadbench.core.config import FrozenModel
from leadbench.core.errors import ResultsError
from leadbench.core.files import write_text_atomic
from leadbench.core.reading import first_problem, parse_json, read_lines
from leadbench.study.answers import Answers, Participant, as_json
from leadbench.study.plan import Part, Study

_HEADER = "leadbench_study"
_ID = r"^[0-9a-f]{64}$"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$"


class _Line(FrozenModel):
    """A participant as a file tells it."""

    id: str = Field(pattern=_ID)
    language: str
    began: str = Field(pattern=_TIME)
    about: dict[str, str] | None
    finished: str | None = Field(pattern=_TIME)
    shown: tuple[tuple[Part, str, str], ...]
    answers: tuple[tuple[Part, str, int, int, str], ...]


def export_answers(study: Study, answers: Answers, path: Path) -> int:
    """Write everybody's answers to a file.

    Returns:
        How many participants there are.
    """
    people = answers.participants()
    lines: list[Any] = [{_HEADER: study.plan.identity, "version": 1}, *map(as_json, people)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(path, "".join(json.dumps(line) + "\n" for line in lines))
    return len(people)


def import_answers(study: Study, answers: Answers, paths: list[Path]) -> int:
    """Take the answers of exported files; those that are there already stay, all files or none.

    Returns:
        How many participants are new or have changed.

    Raises:
        ResultsError: a file is none of answers, or of another study.
    """
    found = [participant for path in paths for participant in _read(study, path)]
    return answers.add(found)


def _read(study: Study, path: Path) -> list[Participant]:
    lines = list(read_lines(path, ResultsError))
    first = parse_json(lines[0][1], f"{path}:1", ResultsError) if lines else None
    held = first.get(_HEADER) if isinstance(first, dict) else None
    if not isinstance(held, str):
        raise ResultsError(f"{path}: no exported answers (leadbench study export writes them)")
    if held != study.plan.identity:
        raise ResultsError(f"{path}: of another study ({held[:12]}; {study.folder} is {study.plan.identity[:12]})")
    return [_participant(study, text, f"{path}:{number}") for number, text in lines[1:]]


def _participant(study: Study, text: str, where: str) -> Participant:
    try:
        line = _Line.model_validate(parse_json(text, where, ResultsError))
    except ValidationError as exc:
        raise ResultsError(f"{where}: no participant ({first_problem(exc)})") from exc
    known = {pair.name for pair in study.plan.pairs} | {f"check-{n + 1}" for n in range(study.plan.checks)}
    for part, item, a, b, _ in line.answers:
        if item not in known or not {a, b} <= {1, 2, 3, 4, 5}:
            raise ResultsError(f"{where}: {part}, {item}: no item of the study, or a rating that is not 1 to 5")
    return Participant(
        line.id, line.language, line.began, line.about, line.finished,
        {(part, item): (a, b) for part, item, a, b, _ in line.answers},
        {(part, item): at for part, item, at in line.shown},
        {(part, item): at for part, item, _, _, at in line.answers},
    )  # fmt: skip
