"""The on-disk format of HumanML3D, and the official rules that turn a folder into samples.

A folder holds ``new_joint_vecs/ID.npy`` (features [F, D]), ``texts/ID.txt`` (one caption a line:
``caption#tokens#from#to``), ``Mean.npy``, ``Std.npy`` [D] and one file of ids per split. ``dataset.json`` is
our optional addition: name, skeleton, frame rate and length limits, inferred from D where it is absent.
Source of the rules: text-to-motion, data/dataset.py (Text2MotionDatasetV2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from leadbench.config import DatasetCard
from leadbench.errors import DataError, NonFiniteError
from leadbench.random import stream
from leadbench.skeleton import skeleton_for_width
from leadbench.tensors import MotionBatch, MotionSpec, TextSample, lengths_to_mask

SPLITS = ("train", "val", "test")
UNIT = 4  # lengths are multiples of this many frames


@dataclass(frozen=True, eq=False)
class MotionSample:
    """One motion with its captions: raw features [F, D] float32."""

    id: str
    features: Tensor
    captions: tuple[TextSample, ...]

    @property
    def frames(self) -> int:
        """F."""
        return int(self.features.shape[0])


@dataclass(frozen=True, eq=False)
class DrawnSample:
    """What a replication shows of a sample: one caption and one crop."""

    sample: MotionSample
    caption: TextSample
    start: int
    length: int

    @property
    def id(self) -> str:
        """Id of the sample."""
        return self.sample.id

    @property
    def features(self) -> Tensor:
        """The crop, [length, D]."""
        return self.sample.features[self.start : self.start + self.length]


@dataclass(frozen=True)
class SplitReport:
    """What loading a split left out, and why."""

    kept: int
    too_short: tuple[str, ...] = ()
    too_long: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()
    no_caption: tuple[str, ...] = ()


class HumanML3DFolder:
    """A dataset in HumanML3D's on-disk format.

    Args:
        root: the folder.

    Raises:
        DataError: a file or folder of the format is missing, or its content has another shape.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DataError(f"dataset {self.root}: no such folder")
        for name in ("new_joint_vecs", "texts"):
            if not (self.root / name).is_dir():
                raise DataError(
                    f"dataset {self.root}: missing folder {name}/ (needed: new_joint_vecs/, texts/, Mean.npy, Std.npy, "
                    f"train.txt, val.txt, test.txt)"
                )
        mean, std = (self._statistics(name) for name in ("Mean.npy", "Std.npy"))
        if mean.shape != std.shape:
            raise DataError(f"dataset {self.root}: Mean.npy {mean.shape} and Std.npy {std.shape} differ in shape")
        skeleton = skeleton_for_width(mean.shape[0])
        self.card = self._card(skeleton.name)
        self.name = self.card.name
        self.motion = MotionSpec(skeleton.name, self.card.fps, torch.from_numpy(mean), torch.from_numpy(std))
        self.skeleton = skeleton

    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of a split, in file order.

        Raises:
            DataError: the split file is missing or empty.
        """
        path = self.root / f"{split}.txt"
        if not path.is_file():
            raise DataError(f"dataset {self.root}: missing split file {path.name}")
        ids = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
        if not ids:
            raise DataError(f"dataset {self.root}: split file {path.name} is empty")
        return ids

    @cached_property
    def identity(self) -> str:
        """SHA-256 over statistics, split files and the files of the test split."""
        digest = hashlib.sha256(self.motion.digest.encode())
        for split in SPLITS:
            digest.update("\n".join(self.ids(split)).encode())
        for name in self.ids("test"):
            for path in (self.root / "new_joint_vecs" / f"{name}.npy", self.root / "texts" / f"{name}.txt"):
                digest.update(path.read_bytes() if path.is_file() else b"missing")
        return digest.hexdigest()

    def load(self, split: str, *, skip_bad: bool = False) -> tuple[list[MotionSample], SplitReport]:
        """Read a split: samples within the length limits, and a report of the rest.

        Raises:
            NonFiniteError: a motion holds NaN or infinity and ``skip_bad`` is off.
            DataError: a file is missing, or a motion has another width.
        """
        samples: list[MotionSample] = []
        left: dict[str, list[str]] = {"too_short": [], "too_long": [], "not_finite": [], "no_caption": []}
        for name in self.ids(split):
            features = self._features(name)
            if not np.isfinite(features).all():
                left["not_finite"].append(name)
                continue
            if features.shape[0] < self.card.min_frames:
                left["too_short"].append(name)
                continue
            if features.shape[0] >= self.card.max_frames:
                left["too_long"].append(name)
                continue
            found = list(self._samples(name, torch.from_numpy(features)))
            if not found:
                left["no_caption"].append(name)
            samples += found
        if left["not_finite"] and not skip_bad:
            shown = ", ".join(left["not_finite"][:5])
            raise NonFiniteError(
                f"dataset {self.root}: {len(left['not_finite'])} motion(s) of split {split!r} hold NaN or infinity: "
                f"{shown} (mend or remove them, or pass --skip-bad-motions)"
            )
        if not samples:
            raise DataError(
                f"dataset {self.root}: no usable motion in split {split!r} (limits: at least {self.card.min_frames} "
                f"and under {self.card.max_frames} frames)"
            )
        return samples, SplitReport(len(samples), **{key: tuple(ids) for key, ids in left.items()})

    def _statistics(self, name: str) -> np.ndarray:
        path = self.root / name
        if not path.is_file():
            raise DataError(f"dataset {self.root}: missing {name} (normalisation statistics [D])")
        return _read_array(path).reshape(-1).astype(np.float32)

    def _card(self, skeleton: str) -> DatasetCard:
        path = self.root / "dataset.json"
        if path.is_file():
            try:
                return DatasetCard.model_validate(json.loads(path.read_text()))
            except (ValidationError, json.JSONDecodeError) as exc:
                first = str(exc).splitlines()
                raise DataError(f"dataset {self.root}: dataset.json is not valid: {' '.join(first[:3])}") from exc
        if skeleton == "kit":
            return DatasetCard(name="kit", skeleton="kit", fps=12.5, min_frames=24)
        return DatasetCard(name=self.root.name)

    def _features(self, name: str) -> np.ndarray:
        path = self.root / "new_joint_vecs" / f"{name}.npy"
        if not path.is_file():
            raise DataError(f"dataset {self.root}: motion {name!r} is listed in a split but {path.name} is missing")
        array = _read_array(path).astype(np.float32)
        if array.ndim != 2 or array.shape[1] != self.motion.width:
            raise DataError(f"{path}: shape {array.shape}, needed [F, {self.motion.width}]")
        return array

    def _samples(self, name: str, features: Tensor) -> Iterator[MotionSample]:
        """Whole-clip captions form one sample; each caption with a time tag becomes its own sub-clip."""
        path = self.root / "texts" / f"{name}.txt"
        if not path.is_file():
            raise DataError(f"dataset {self.root}: motion {name!r} has no captions file texts/{path.name}")
        whole: list[TextSample] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            text, begin, end = parse_caption(line, f"{path}:{number}")
            if begin == 0.0 and end == 0.0:
                whole.append(text)
                continue
            clip = features[int(begin * self.card.tag_fps) : int(end * self.card.tag_fps)]
            if self.card.min_frames <= clip.shape[0] < self.card.max_frames:
                yield MotionSample(f"{name}#{number}", clip, (text,))
        if whole:
            yield MotionSample(name, features, tuple(whole))


def parse_caption(line: str, where: str) -> tuple[TextSample, float, float]:
    """Read ``caption#tok/POS tok/POS#from#to``; NaN tags count as 0 (whole clip).

    Raises:
        DataError: not four fields, or tags that are not numbers.
    """
    fields = line.strip().split("#")
    if len(fields) != 4:
        raise DataError(f"{where}: a caption line needs 4 fields separated by '#', found {len(fields)}")
    try:
        begin, end = (0.0 if np.isnan(float(tag)) else float(tag) for tag in fields[2:])
    except ValueError as exc:
        raise DataError(f"{where}: time tags {fields[2:]} are not numbers") from exc
    return TextSample(fields[0], tuple(fields[1].split())), begin, end


def draw(samples: Sequence[MotionSample], seed: int, replication: int) -> list[DrawnSample]:
    """Draw one caption and one crop per sample by the official rules (DESIGN: counter-based, by id).

    Lengths are cut to multiples of 4; one time in three one more unit of 4 is dropped; the crop starts
    anywhere.
    """
    drawn: list[DrawnSample] = []
    for sample in samples:
        rng = stream(seed, "draw", replication, sample.id)
        caption = sample.captions[int(rng.integers(len(sample.captions)))]
        units = sample.frames // UNIT
        if rng.integers(3) == 2 and units > 1:
            units -= 1
        length = units * UNIT
        start = int(rng.integers(sample.frames - length + 1))
        drawn.append(DrawnSample(sample, caption, start, length))
    return drawn


def collate(clips: Sequence[Tensor], frames: int | None = None) -> MotionBatch:
    """Pad clips [F_i, D] with zeros to one raw batch [B, F, D]."""
    lengths = torch.tensor([clip.shape[0] for clip in clips])
    mask = lengths_to_mask(lengths, frames)
    features = torch.zeros(*mask.shape, clips[0].shape[1])
    for row, clip in zip(features, clips, strict=True):
        row[: clip.shape[0]] = clip
    return MotionBatch(features, mask)


def _read_array(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as exc:
        raise DataError(f"{path}: not a readable .npy array ({exc})") from exc
    if not np.issubdtype(array.dtype, np.number):
        raise DataError(f"{path}: holds {array.dtype}, needed numbers")
    return array
