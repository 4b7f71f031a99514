"""Files of HumanML3D's on-disk format, one reader each; whoever looks at a dataset folder reads with them.

Source of the rules: text-to-motion, data/dataset.py (Text2MotionDatasetV2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from leadbench.core.config import DatasetCard
from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.files import require_name
from leadbench.core.reading import first_problem, read_array, read_json_object, read_lines
from leadbench.core.skeleton import Skeleton, feature_slices, skeleton_for_width
from leadbench.core.tensors import TextSample

HUMANML3D_NAN = ("007975", "M007975")
"""Motions of HumanML3D that are published with NaN in them."""
NEEDED = "new_joint_vecs/, texts/, Mean.npy, Std.npy, train.txt, val.txt, test.txt"
TAGS = "leadbench data tag FOLDER gives captions their tags"


@dataclass(frozen=True)
class CaptionLine:
    """A line of a captions file.

    Attributes:
        number: of the line, from 1.
        text: caption and tokens.
        begin, end: seconds of the clip that it speaks of; both 0: the whole motion.
    """

    number: int
    text: TextSample
    begin: float
    end: float

    @property
    def whole(self) -> bool:
        """Whether it speaks of the whole motion."""
        return self.begin == 0.0 and self.end == 0.0

    @property
    def empty(self) -> str:
        """Why nothing can be generated or scored for it; empty where it can."""
        if not self.text.caption.strip():
            return "empty caption"
        if not self.text.tokens:
            return "caption without tokens"
        return "" if self.whole or self.end > self.begin else "time tag that ends before it begins"


def read_split(path: Path) -> tuple[str, ...]:
    """Ids of a split file, in file order.

    Raises:
        DataError: it is missing or empty, or an id cannot be a file's name.
    """
    if not path.is_file():
        raise DataError(f"dataset {path.parent}: missing split file {path.name}")
    found = []
    for number, line in read_lines(path):
        found.append(require_name(line, f"{path}:{number}: id", DataError))
    if not found:
        raise DataError(f"dataset {path.parent}: split file {path.name} is empty")
    return tuple(found)


def read_statistics(root: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], Skeleton]:
    """Mean and deviation [D] of a folder, and the skeleton that has D features; [1, D] is taken too.

    Raises:
        DataError: a file is missing, or they fit neither each other nor a skeleton.
        NonFiniteError: NaN, infinity, or a deviation that is not positive.
    """
    mean, std = (_vector(root / name) for name in ("Mean.npy", "Std.npy"))
    if mean.shape != std.shape:
        raise DataError(f"dataset {root}: Mean.npy {mean.shape} and Std.npy {std.shape} differ in shape")
    try:
        skeleton = skeleton_for_width(len(mean))
    except DataError as exc:
        raise DataError(f"{root / 'Mean.npy'}: {exc}") from exc
    _require_positive(root / "Std.npy", std, skeleton)
    return mean, std, skeleton


def read_card(root: Path) -> DatasetCard | None:
    """``dataset.json`` of a folder; None: there is none.

    Raises:
        DataError: it is not valid, or its name cannot be a folder's.
    """
    path = root / "dataset.json"
    if not path.is_file():
        return None
    try:
        card = DatasetCard.model_validate(read_json_object(path))
    except ValidationError as exc:
        raise DataError(f"{path}: not valid: {first_problem(exc)}") from exc
    require_name(card.name, f"{path}: name", DataError)
    return card


def read_features(path: Path, width: int) -> NDArray[np.float32]:
    """Features [F, D] of a motion; NaN and infinity are passed on.

    Raises:
        DataError: no array of that shape.
    """
    array = read_array(path)
    if array.ndim != 2 or array.shape[1] != width:
        raise DataError(f"{path}: shape {array.shape}, needed [F, {width}]")
    with np.errstate(over="ignore"):  # beyond float32 is infinity, which is reported as such
        return array.astype(np.float32)


def read_captions(path: Path, bad: dict[int, str] | None = None) -> list[CaptionLine]:
    """Lines of a captions file that hold something.

    Args:
        bad: takes what is wrong with lines that cannot be read, by number, instead of an error; 0: the whole file.

    Raises:
        DataError: the file is no text, or a line is no caption.
    """
    found = []
    try:
        lines = list(read_lines(path))
    except DataError as exc:
        if bad is None:
            raise
        bad[0] = str(exc)
        return []
    for number, line in lines:
        try:
            found.append(CaptionLine(number, *parse_caption(line, f"{path}:{number}")))
        except DataError as exc:
            if bad is None:
                raise
            bad[number] = str(exc)
    return found


def parse_caption(line: str, where: str) -> tuple[TextSample, float, float]:
    """Read ``caption#tok/POS tok/POS#from#to``; NaN tags count as 0 (whole clip).

    Raises:
        DataError: not four fields, a token that is no word/POS, or tags that are no times.
    """
    fields = line.strip().split("#")
    if len(fields) != 4:
        raise DataError(f"{where}: a caption line needs 4 fields separated by '#', found {len(fields)} ({TAGS})")
    try:
        begin, end = (0.0 if math.isnan(float(tag)) else float(tag) for tag in fields[2:])
    except ValueError as exc:
        raise DataError(f"{where}: time tags {fields[2:]} are not numbers") from exc
    if not (0 <= begin < math.inf and 0 <= end < math.inf):
        raise DataError(f"{where}: time tags {fields[2:]} must be seconds from 0 on (0.0#0.0: the whole motion)")
    tokens = tuple(fields[1].split())
    wrong = next((token for token in tokens if token.count("/") != 1), None)
    if wrong is not None:
        raise DataError(f"{where}: token {wrong!r}: must be word/POS with exactly one slash ({TAGS})")
    return TextSample(fields[0], tokens), begin, end


def _vector(path: Path) -> NDArray[np.float32]:
    if not path.is_file():
        raise DataError(f"dataset {path.parent}: missing {path.name} (needed: {NEEDED})")
    array = read_array(path)
    if array.ndim not in (1, 2) or array.size != max(array.shape, default=0):
        raise DataError(f"{path}: shape {array.shape}, needed [D]")
    values: NDArray[np.float32] = array.reshape(-1).astype(np.float32)
    if not np.isfinite(values).all():
        raise NonFiniteError(f"{path}: holds NaN or infinity; compute it again from the train split")
    return values


def _require_positive(path: Path, std: NDArray[np.float32], skeleton: Skeleton) -> None:
    bad = np.flatnonzero(std <= 0)
    if not bad.size:
        return
    blocks = [name for name, block in feature_slices(skeleton).items() if (std[block] <= 0).any()]
    which = f"{bad[0]}" if bad.size == 1 else f"{bad[0]} to {bad[-1]}" if np.ptp(bad) == bad.size - 1 else "some"
    raise NonFiniteError(
        f"{path}: not positive at {bad.size} of {len(std)} features ({which}: {', '.join(blocks)}); compute it from "
        f"the train split, with one deviation for each block of features, and 1 where a block never changes"
    )
