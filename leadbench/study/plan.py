"""What a study is: two rows, the pairs of motions that are rated, and how; a folder that can be copied."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from leadbench.core.config import FrozenModel
from leadbench.core.errors import ConfigError, DataError
from leadbench.core.reading import first_problem, read_array, read_json_object
from leadbench.results.rows import Row
from leadbench.study.texts import Texts, read_texts

PLAN = "study.json"
PARTS = ("realism", "relevance")
"""What is rated, in this order: realism before any text was seen."""
SCALE = (1, 2, 3, 4, 5)

Part = Literal["realism", "relevance"]


class Side(FrozenModel):
    """One of the two rows, and its name in tables; participants never learn it."""

    row: Row
    name: str


class StudyPair(FrozenModel):
    """Two motions of one caption.

    Attributes:
        name: in the files and answers of the study.
        sample: test motion whose caption and length they have.
        caption: shown in the second part.
        label: class of the caption, where pairs were spread over classes.
        change: mean distance of their joints, in metres.
    """

    name: str
    sample: str
    caption: str
    label: str | None = None
    change: float


class StudyPlan(FrozenModel):
    """A study.

    Attributes:
        dataset: name of the dataset.
        seed: of the choice of pairs, and of every participant's order.
        choice: how pairs were chosen, of how many ``candidates``.
        sides: the two rows.
        checks: attention checks in each part.
        demographics: questions about participants, and the choices of each.
        languages: names of the files of texts; the first one is the default.
        skeleton, fps: of the motions.
        motions: SHA-256 over the arrays.
        inputs: what the motions depend on (:func:`leadbench.tasks.shared.identity.inputs_identity`).
        names: registered name -> name in tables.
        provenance: versions, revision and machine that made the motions.
    """

    version: Literal[1] = 1
    dataset: str
    seed: int
    choice: str
    candidates: int
    sides: tuple[Side, Side]
    pairs: tuple[StudyPair, ...] = Field(min_length=2)
    checks: int = Field(ge=0)
    demographics: dict[str, tuple[str, ...]]
    languages: tuple[str, ...] = Field(min_length=1)
    skeleton: str
    fps: float
    motions: str
    inputs: dict[str, Any]
    names: dict[str, str]
    provenance: dict[str, Any]

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all but the provenance: answers belong to exactly this study."""
        content = self.model_dump(mode="json", exclude={"provenance"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def minutes(self) -> int:
        """About how long a participant needs: 20 seconds for each page."""
        return max(1, round((len(self.pairs) + self.checks) * len(PARTS) / 3))


class Study:
    """A study in its folder: plan, motions and texts.

    Args:
        folder: that ``leadbench study create`` wrote.

    Raises:
        ConfigError: there is none, or its files were changed.
        DataError: a motion cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / PLAN).is_file():
            raise ConfigError(f"{folder}: no study in it (leadbench study create {folder} makes one)")
        try:
            self.plan = StudyPlan.model_validate(read_json_object(folder / PLAN, ConfigError))
        except ValidationError as exc:
            raise ConfigError(f"{folder / PLAN}: {first_problem(exc)}") from exc
        self.texts: dict[str, Texts] = {
            name: read_texts(folder / "languages" / f"{name}.toml", self.plan.demographics)
            for name in self.plan.languages
        }
        self.motions = {
            pair.name: tuple(read_array(motion_path(folder, pair.name, side), DataError) for side in (0, 1))
            for pair in self.plan.pairs
        }
        found = [array for arrays in self.motions.values() for array in arrays]
        if motions_digest(found) != self.plan.motions:
            raise ConfigError(f"{folder}: motions changed after the study was made; answers would be of other ones")

    @property
    def answers_path(self) -> Path:
        """File of the answers."""
        return self.folder / "answers.sqlite"


def motion_path(folder: Path, pair: str, side: int) -> Path:
    """Joints [F, J, 3] in metres of one motion of a pair."""
    return folder / "motions" / f"{pair}-{side + 1}.npy"


def motions_digest(arrays: list[NDArray[Any]]) -> str:
    """SHA-256 over arrays, as float32, with their shapes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()
