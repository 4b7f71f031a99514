"""The on-disk format of HumanML3D, and the official rules that turn a folder into samples.

A folder holds ``new_joint_vecs/ID.npy`` (features [F, D]), ``texts/ID.txt`` (one caption a line:
``caption#tokens#from#to``), ``Mean.npy``, ``Std.npy`` [D] and one file of ids per split. ``dataset.json`` is
our optional addition: name, skeleton, frame rate and length limits, inferred from D where it is absent.
Source of the rules: text-to-motion, data/dataset.py (Text2MotionDatasetV2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from leadbench.core.config import DatasetCard
from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.random import stream
from leadbench.core.skeleton import skeleton_for_width
from leadbench.core.tensors import MotionBatch, MotionSample, MotionSpec, SplitReport, TextSample, lengths_to_mask

HUMANML3D = DatasetCard(name="humanml3d")
KIT_ML = DatasetCard(name="kit", skeleton="kit", fps=12.5, min_frames=24)
HUMANML3D_NAN = ("007975", "M007975")  # published with NaN in them
SPLITS = ("train", "val", "test")
HELD_OUT = "held_out"  # motions of styles kept out of the three splits; few datasets have it
FRAME_STEP = 4  # lengths are multiples of this many frames


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


class HumanML3DFolder:
    """A dataset in HumanML3D's on-disk format.

    Args:
        root: the folder.
        card: what holds where the folder has no ``dataset.json``; None: inferred from D.
        known_bad: ids that are published with NaN in them and are left out without being asked.

    Raises:
        DataError: a file or folder of the format is missing, or its content has another shape.
    """

    def __init__(self, root: Path, card: DatasetCard | None = None, known_bad: Collection[str] = ()) -> None:
        self.root = Path(root)
        self._known_bad = frozenset(known_bad)
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
        if card is not None and card.skeleton != skeleton.name:
            raise DataError(
                f"dataset {self.root}: {mean.shape[0]} features a frame are those of {skeleton.name!r}, "
                f"{card.name} has skeleton {card.skeleton!r}"
            )
        self.card = self._card(skeleton.name, card)
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
            for path in self._files(name):
                digest.update(path.read_bytes() if path.is_file() else b"missing")
        return digest.hexdigest()

    def load(self, split: str, *, skip_bad: bool = False) -> tuple[list[MotionSample], SplitReport]:
        """Read a split: samples within the length limits, and a report of the rest.

        ``skip_bad`` leaves out motions with NaN or infinity, those that lack a file, and captions that cannot be read.

        Raises:
            NonFiniteError: a motion holds NaN or infinity, is not known to, and ``skip_bad`` is off.
            DataError: a file is missing, a motion has another width, or a caption cannot be read.
        """
        samples: list[MotionSample] = []
        left: dict[str, list[str]] = {
            "too_short": [],
            "too_long": [],
            "not_finite": [],
            "no_caption": [],
            "bad_text": [],
            "missing": [],
        }
        for name in self.ids(split):
            if skip_bad and not all(path.is_file() for path in self._files(name)):
                left["missing"].append(name)
                continue
            features = self._features(name)
            if not np.isfinite(features).all():
                left["not_finite"].append(name)
            elif features.shape[0] < self.card.min_frames:
                left["too_short"].append(name)
            elif features.shape[0] >= self.card.max_frames:
                left["too_long"].append(name)
            else:
                found = list(self._samples(name, torch.from_numpy(features), left["bad_text"] if skip_bad else None))
                left["no_caption"] += [] if found else [name]
                samples += found
        unexpected = [name for name in left["not_finite"] if name not in self._known_bad]
        if unexpected and not skip_bad:
            raise NonFiniteError(
                f"dataset {self.root}: {len(unexpected)} motion(s) of split {split!r} hold NaN or infinity: "
                f"{', '.join(unexpected[:5])} (fix or remove them, or pass --skip-bad-motions)"
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

    def _card(self, skeleton: str, given: DatasetCard | None) -> DatasetCard:
        path = self.root / "dataset.json"
        if path.is_file():
            try:
                return DatasetCard.model_validate(json.loads(path.read_text()))
            except (ValidationError, json.JSONDecodeError) as exc:
                first = str(exc).splitlines()
                raise DataError(f"dataset {self.root}: dataset.json is not valid: {' '.join(first[:3])}") from exc
        if given is not None:
            return given
        return KIT_ML if skeleton == "kit" else DatasetCard(name=self.root.name)

    def _files(self, name: str) -> tuple[Path, Path]:
        """Motion and captions of an id."""
        return self.root / "new_joint_vecs" / f"{name}.npy", self.root / "texts" / f"{name}.txt"

    def _features(self, name: str) -> np.ndarray:
        path, _ = self._files(name)
        if not path.is_file():
            raise DataError(f"dataset {self.root}: motion {name!r} is listed in a split but {path.name} is missing")
        array = _read_array(path).astype(np.float32)
        if array.ndim != 2 or array.shape[1] != self.motion.width:
            raise DataError(f"{path}: shape {array.shape}, needed [F, {self.motion.width}]")
        return array

    def _samples(self, name: str, features: Tensor, bad: list[str] | None) -> Iterator[MotionSample]:
        """Whole-clip captions form one sample; each caption with a time tag becomes its own sub-clip.

        Lines that cannot be read are an error, or are listed in ``bad``.
        """
        _, path = self._files(name)
        if not path.is_file():
            raise DataError(f"dataset {self.root}: motion {name!r} has no captions file texts/{path.name}")
        whole: list[TextSample] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                text, begin, end = parse_caption(line, f"{path}:{number}")
            except DataError:
                if bad is None:
                    raise
                bad.append(f"{name}:{number}")
                continue
            if begin == 0.0 and end == 0.0:
                whole.append(text)
                continue
            clip = features[int(begin * self.card.tag_fps) : int(end * self.card.tag_fps)]
            if self.card.min_frames <= clip.shape[0] < self.card.max_frames:
                yield MotionSample(f"{name}#{number}", clip, (text,))
        if whole:
            yield MotionSample(name, features, tuple(whole))


def humanml3d(root: Path) -> HumanML3DFolder:
    """HumanML3D: 20 frames a second, 40 to 199 frames; two published motions of the test split hold NaN."""
    return HumanML3DFolder(root, HUMANML3D, known_bad=HUMANML3D_NAN)


def kit_ml(root: Path) -> HumanML3DFolder:
    """KIT-ML: 12.5 frames a second, 24 to 199 frames; time tags are cut at 20 a second, as officially."""
    return HumanML3DFolder(root, KIT_ML)


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
    """Draw one caption and one crop per sample by the official rules, keyed by seed, replication and id.

    Lengths are cut to multiples of 4; one time in three one more unit of 4 is dropped; the crop starts
    anywhere.
    """
    drawn: list[DrawnSample] = []
    for sample in samples:
        rng = stream(seed, "draw", replication, sample.id)
        caption = sample.captions[int(rng.integers(len(sample.captions)))]
        units = sample.frames // FRAME_STEP
        if rng.integers(3) == 2 and units > 1:
            units -= 1
        length = units * FRAME_STEP
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
