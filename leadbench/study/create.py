"""Makes a study: motions of two rows for the same captions, pairs chosen of them, a folder to be served."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leadbench.core.errors import ConfigError, unknown_name
from leadbench.core.files import aside, remove_abandoned, write_text_atomic
from leadbench.core.provenance import collect_provenance
from leadbench.study.candidates import Candidate, Candidates
from leadbench.study.choosing import CHOICES, choose_pairs
from leadbench.study.plan import PLAN, Study, StudyPair, StudyPlan, motion_path, motions_digest
from leadbench.study.texts import SHIPPED, Texts, language_file, read_texts
from leadbench.tasks.shared.identity import inputs_identity
from leadbench.tasks.structure.action_labels import every_label

DEMOGRAPHICS = ("age", "gender", "experience")
"""Questions of the shipped texts: what the paper's Figure 4 shows."""
MOST_CHECKS = 5


@dataclass(frozen=True)
class StudyRequest:
    """What a study shall be.

    Attributes:
        pairs: how many are shown; ``candidates``: of how many they are chosen.
        choose: of :data:`leadbench.study.choosing.CHOICES`.
        checks: attention checks in each part.
        languages: names of shipped ones, or files; the first is the default.
        demographics: questions about participants that are asked, by their names in the languages.

    Raises:
        ConfigError: fewer than two pairs or candidates, or too many checks.
    """

    pairs: int = 10
    candidates: int = 128
    choose: str = "changed"
    checks: int = 1
    languages: tuple[str, ...] = SHIPPED
    demographics: tuple[str, ...] = DEMOGRAPHICS

    def __post_init__(self) -> None:
        for name, value, least in (("pairs", self.pairs, 2), ("candidates", self.candidates, 2)):
            if value < least:
                raise ConfigError(f"--{name} {value}: at least {least} are needed")
        if not 0 <= self.checks <= MOST_CHECKS:
            raise ConfigError(f"--checks {self.checks}: from 0 to {MOST_CHECKS}")


def create_study(
    folder: Path, candidates: Candidates, request: StudyRequest, progress: Callable[[int, int], None] = lambda *_: None
) -> Study:
    """Make a study, whole or not at all.

    Args:
        folder: that does not exist, or is empty.
        candidates: of the two rows.
        request: what it shall be.
        progress: called with how many candidates are made, and of how many.

    Raises:
        ConfigError, UnknownNameError: something in the request does not fit, or the folder holds something.
        Whatever making motions raises.
    """
    if request.choose not in CHOICES:
        raise unknown_name("way to choose", request.choose, CHOICES, where="--choose")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: holds something already; a study needs a folder of its own")
    texts, demographics = _languages(request)
    sides = candidates.described()
    drawn = candidates.drawn(request.candidates)
    labels = _labels(candidates) if request.choose == "stratified" else {}
    made: list[Candidate] = []
    for candidate in candidates.make(drawn):
        made.append(candidate)
        progress(len(made), len(drawn))
    changes = [candidate.change for candidate in made]
    classes = [labels.get(candidate.drawn.id) for candidate in made]
    seed = candidates.request.config.seed
    chosen = [made[at] for at in choose_pairs(request.choose, changes, classes, request.pairs, seed)]
    opened, spec = candidates.opened, candidates.opened.dataset.motion
    entries = candidates.found.entries
    plan = StudyPlan(
        dataset=opened.dataset.name,
        seed=seed,
        choice=request.choose,
        candidates=len(made),
        sides=sides,
        pairs=tuple(_pair(number, candidate, labels) for number, candidate in enumerate(chosen)),
        checks=request.checks,
        demographics=demographics,
        languages=tuple(texts),
        skeleton=spec.skeleton,
        fps=spec.fps,
        motions=motions_digest([joints for candidate in chosen for joints in candidate.joints]),
        inputs=inputs_identity(
            opened, [entry.backbone for entry in entries], parts=[("backbone", entry.name) for entry in entries]
        ),
        names=candidates.found.names,
        provenance=collect_provenance(opened.models.compute),
    )
    _write(folder, plan, chosen, {name: source for name, (source, _) in texts.items()})
    return Study(folder)


def _languages(request: StudyRequest) -> tuple[dict[str, tuple[Path, Texts]], dict[str, tuple[str, ...]]]:
    """Files and texts by the name of the language, and the choices of each question."""
    found: dict[str, tuple[Path, Texts]] = {}
    for name in request.languages:
        path = language_file(name)
        found[path.stem] = (path, read_texts(path))
    if not found:
        raise ConfigError("--language: no language given")
    first = next(iter(found.values()))[1]
    for question in request.demographics:
        if question not in first.demographics:
            raise unknown_name("question", question, first.demographics, where="--ask")
    asked = {question: tuple(first.demographics[question].choices) for question in request.demographics}
    for path, _ in found.values():
        read_texts(path, asked)
    return found, asked


def _labels(candidates: Candidates) -> Mapping[str, str]:
    samples = candidates.opened.dataset.load(candidates.request.config.split)[0]
    return every_label(candidates.opened.root, samples).by_id


def _pair(number: int, candidate: Candidate, labels: Mapping[str, str]) -> StudyPair:
    drawn = candidate.drawn
    return StudyPair(
        name=f"pair-{number + 1:02d}",
        sample=drawn.id,
        caption=drawn.caption.caption,
        label=labels.get(drawn.id),
        change=round(candidate.change, 6),
    )


def _write(folder: Path, plan: StudyPlan, chosen: Sequence[Candidate], languages: Mapping[str, Path]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent, "tmp")
    temporary = aside(folder, "tmp")
    try:
        (temporary / "motions").mkdir(parents=True)
        (temporary / "languages").mkdir()
        for pair, candidate in zip(plan.pairs, chosen, strict=True):
            for side, joints in enumerate(candidate.joints):
                np.save(motion_path(temporary, pair.name, side), joints)
        for name, source in languages.items():
            shutil.copyfile(source, temporary / "languages" / f"{name}.toml")
        write_text_atomic(temporary / PLAN, plan.model_dump_json(indent=2) + "\n")
        if folder.is_dir():
            folder.rmdir()  # it is empty
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
