"""Where motions lie in latent spaces, beside the records of a run of structure: two numbers a motion, for pictures."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError, model_validator

from leadbench.core.config import FrozenModel
from leadbench.core.errors import ResultsError
from leadbench.core.files import write_text_atomic
from leadbench.core.reading import first_problem, read_json_object

FILE = "points.json"


class LatentPoints(FrozenModel):
    """Points of the same motions in several spaces.

    Attributes:
        labels, captions: of each motion.
        spaces: space -> place of each motion.
    """

    labels: tuple[str, ...]
    captions: tuple[str, ...]
    spaces: dict[str, tuple[tuple[float, float], ...]]

    @model_validator(mode="after")
    def _of_one_length(self) -> LatentPoints:
        lengths = {len(self.labels), len(self.captions), *map(len, self.spaces.values())}
        if len(lengths) != 1:
            raise ValueError(f"labels, captions and spaces of {sorted(lengths)} motions")
        return self


def write_points(found: LatentPoints, folder: Path) -> Path:
    """Write the points into a run's folder."""
    write_text_atomic(folder / FILE, found.model_dump_json() + "\n")
    return folder / FILE


def read_points(folder: Path) -> LatentPoints | None:
    """Points of a run; None: it has none.

    Raises:
        ResultsError: the file is not one of points.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        return LatentPoints.model_validate(read_json_object(folder / FILE, ResultsError))
    except ValidationError as exc:
        raise ResultsError(f"{folder / FILE}: {first_problem(exc)}") from exc
