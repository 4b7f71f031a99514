"""Writes a dataset in HumanML3D's on-disk format; nothing half-written is left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import DataError
from leadbench.core.files import aside, remove_abandoned
from leadbench.core.skeleton import Skeleton, feature_slices
from leadbench.data.prepare.tagging import tag

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PreparedClip:
    """One motion ready to be written: features [F, D], joints [F, J, 3] recovered from them, captions."""

    id: str
    features: Floats
    joints: Floats
    captions: tuple[str, ...]


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """A temporary sibling of ``out`` that takes its place when the block ends without an error.

    Raises:
        DataError: ``out`` exists already, or another process made it meanwhile.
    """
    if out.exists():
        raise DataError(f"--out {out}: exists already; name a new folder or remove it")
    remove_abandoned(out.parent, "partial")
    temporary = aside(out, "partial")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            temporary.rename(out)
        except OSError as exc:
            if out.exists():
                raise DataError(f"--out {out}: another process made it meanwhile; it is left as it is") from exc
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_clip(folder: Path, clip: PreparedClip) -> None:
    """Write features, joints and tagged captions of one clip."""
    for name, array in (("new_joint_vecs", clip.features), ("new_joints", clip.joints)):
        (folder / name).mkdir(exist_ok=True)
        np.save(folder / name / f"{clip.id}.npy", array.astype(np.float32), allow_pickle=False)
    (folder / "texts").mkdir(exist_ok=True)
    lines = [f"{caption}#{' '.join(tag(caption))}#0.0#0.0" for caption in clip.captions]
    (folder / "texts" / f"{clip.id}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_index(
    folder: Path,
    splits: Mapping[str, Sequence[str]],
    skeleton: Skeleton,
    card: Mapping[str, Any],
    report: Mapping[str, Any],
) -> None:
    """Write split files, statistics of the train split, ``dataset.json`` and ``report.json``."""
    for split, ids in splits.items():
        (folder / f"{split}.txt").write_text("\n".join(ids) + "\n")
    (folder / "all.txt").write_text("\n".join(sorted(i for ids in splits.values() for i in ids)) + "\n")
    mean, std = train_statistics([folder / "new_joint_vecs" / f"{i}.npy" for i in splits["train"]], skeleton)
    np.save(folder / "Mean.npy", mean, allow_pickle=False)
    np.save(folder / "Std.npy", std, allow_pickle=False)
    for name, content in (("dataset.json", card), ("report.json", report)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def train_statistics(files: Sequence[Path], skeleton: Skeleton) -> tuple[Floats, Floats]:
    """Mean and Std [D] over all frames; Std is one number a block of features, the mean of its deviations.

    The blocks are those of HumanML3D (cal_mean_variance.ipynb): it keeps the proportions within a block.
    """
    total = np.zeros(skeleton.n_features)
    squares = np.zeros(skeleton.n_features)
    frames = 0
    for path in files:
        features = np.load(path, allow_pickle=False).astype(np.float64)
        total += features.sum(axis=0)
        squares += (features**2).sum(axis=0)
        frames += len(features)
    mean = total / frames
    std = np.sqrt(np.maximum(squares / frames - mean**2, 0))
    for block in feature_slices(skeleton).values():
        std[block] = max(float(std[block].mean()), 1e-6)
    return mean.astype(np.float32), std.astype(np.float32)
