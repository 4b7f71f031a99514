"""The on-disk format of HumanML3D, and the official rules that turn a folder into samples.

A folder holds ``new_joint_vecs/ID.npy`` (features [F, D]), ``texts/ID.txt`` (one caption a line:
``caption#tokens#from#to``), ``Mean.npy``, ``Std.npy`` [D] and one file of ids per split. ``dataset.json`` is
our optional addition: name, skeleton, frame rate and length limits, inferred from D where it is absent.
Source of the rules: text-to-motion, data/dataset.py (Text2MotionDatasetV2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leadbench.core.config import DatasetCard
from leadbench.core.contracts import MotionDataset
from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.files import require_name
from leadbench.core.random import stream
from leadbench.core.tensors import MotionBatch, MotionSample, MotionSpec, SplitReport, TextSample, lengths_to_mask
from leadbench.data.format import (
    HUMANML3D_NAN,
    NEEDED,
    read_captions,
    read_card,
    read_features,
    read_split,
    read_statistics,
)
from leadbench.motion.uniform import Mode

HUMANML3D = DatasetCard(name="humanml3d")
KIT_ML = DatasetCard(name="kit", skeleton="kit", fps=12.5, min_frames=24)
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
        known_bad: ids that are left out without being asked where they hold NaN; default: those that are published so.

    Raises:
        DataError: a file or folder of the format is missing, or its content has another shape.
    """

    def __init__(self, root: Path, card: DatasetCard | None = None, known_bad: Collection[str] = HUMANML3D_NAN) -> None:
        self.root = Path(root)
        self._known_bad = frozenset(known_bad)
        if not self.root.is_dir():
            raise DataError(f"dataset {self.root}: no such folder")
        mean, std, skeleton = read_statistics(self.root)
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
            DataError: the split file is missing or empty, or an id cannot be a file's name.
        """
        return read_split(self.root / f"{require_name(split, 'split', DataError)}.txt")

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

        Empty captions, those without tokens, and those whose time tag ends before it begins are left out.
        ``skip_bad`` also leaves out motions with NaN or infinity, those that lack a file, and captions that cannot be
        read.

        Raises:
            NonFiniteError: a motion holds NaN or infinity, is not known to, and ``skip_bad`` is off.
            DataError: a file is missing, a motion has another width, or a caption cannot be read.
        """
        self._require_folders()
        samples: list[MotionSample] = []
        left: dict[str, list[str]] = {
            "too_short": [],
            "too_long": [],
            "not_finite": [],
            "no_caption": [],
            "bad_text": [],
            "missing": [],
            "empty_caption": [],
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
                found = list(self._samples(name, torch.from_numpy(features), left, skip_bad))
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

    def _require_folders(self) -> None:
        """Statistics alone are enough to generate; motions and captions are needed to measure and to train."""
        for name in ("new_joint_vecs", "texts"):
            if not (self.root / name).is_dir():
                raise DataError(f"dataset {self.root}: missing folder {name}/ (needed: {NEEDED})")

    def _card(self, skeleton: str, given: DatasetCard | None) -> DatasetCard:
        written = read_card(self.root)
        if written is not None and written.skeleton != skeleton:
            raise DataError(
                f"{self.root / 'dataset.json'}: skeleton {written.skeleton!r}, but Mean.npy is of {skeleton!r}"
            )
        if written is not None or given is not None:
            return written or given or HUMANML3D
        return KIT_ML if skeleton == "kit" else DatasetCard(name=self.root.name or "dataset")

    def _files(self, name: str) -> tuple[Path, Path]:
        """Motion and captions of an id."""
        return self.root / "new_joint_vecs" / f"{name}.npy", self.root / "texts" / f"{name}.txt"

    def _features(self, name: str) -> np.ndarray:
        path, _ = self._files(name)
        if not path.is_file():
            raise DataError(f"dataset {self.root}: motion {name!r} is listed in a split but {path.name} is missing")
        return read_features(path, self.motion.width)

    def _samples(
        self, name: str, features: Tensor, left: dict[str, list[str]], skip_bad: bool
    ) -> Iterator[MotionSample]:
        """Whole-clip captions form one sample; each caption with a time tag becomes its own sub-clip."""
        _, path = self._files(name)
        if not path.is_file():
            raise DataError(f"dataset {self.root}: motion {name!r} has no captions file texts/{path.name}")
        whole: list[TextSample] = []
        bad: dict[int, str] | None = {} if skip_bad else None
        lines = read_captions(path, bad)
        left["bad_text"] += [f"{name}:{number}" if number else name for number in bad or ()]
        for line in lines:
            if line.empty:
                left["empty_caption"].append(f"{name}:{line.number}")
                continue
            if line.whole:
                whole.append(line.text)
                continue
            rate = self.card.tag_fps
            clip = features[min(int(line.begin * rate), len(features)) : min(int(line.end * rate), len(features))]
            if self.card.min_frames <= clip.shape[0] < self.card.max_frames:
                yield MotionSample(f"{name}#{line.number}", clip, (line.text,))
        if whole:
            yield MotionSample(name, features, tuple(whole))


def feature_mode(dataset: MotionDataset) -> Mode:
    """How joints become features of a dataset: as its card says, else as officially."""
    card = getattr(dataset, "card", None)
    return card.feature_mode if isinstance(card, DatasetCard) else "official"


def humanml3d(root: Path) -> HumanML3DFolder:
    """HumanML3D: 20 frames a second, 40 to 199 frames; two published motions of the test split hold NaN."""
    return HumanML3DFolder(root, HUMANML3D)


def kit_ml(root: Path) -> HumanML3DFolder:
    """KIT-ML: 12.5 frames a second, 24 to 199 frames; time tags are cut at 20 a second, as officially."""
    return HumanML3DFolder(root, KIT_ML)


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
