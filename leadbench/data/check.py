"""What is wrong with a dataset folder, where, and how to fix it.

Files are read by the readers that runs use (:mod:`leadbench.data.format`), and in the end the folder is opened as a run
opens it: what passes here is accepted there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from leadbench.core.errors import LeadbenchError
from leadbench.core.tensors import MotionSpec
from leadbench.data import labels, segments
from leadbench.data.format import (
    HUMANML3D_NAN,
    read_captions,
    read_card,
    read_features,
    read_split,
    read_statistics,
)
from leadbench.data.humanml3d import HELD_OUT, SPLITS, HumanML3DFolder

_SAMPLE = 400  # motions of the train split whose statistics are compared
_FIT = 0.5  # how far mean and deviation of normalised features may be from 0 and 1, averaged over features


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, where, what, and how to fix it.

    ``harmless`` ones are left out by every reader; HumanML3D and KIT-ML are published with them.
    """

    kind: str
    where: str
    what: str
    fix: str
    harmless: bool = False


@dataclass(frozen=True)
class Inspection:
    """Counts of a dataset folder and its problems.

    ``motions`` and ``captions`` are those that the splits name; ``plain`` ones are all files of the folder, listed or
    not, without mirrored copies (the prefix M): so datasets are counted when they are published.
    """

    ids: dict[str, int]
    motions: int
    captions: int
    plain_motions: int
    plain_captions: int
    frames: int
    distinct_captions: float
    problems: tuple[Problem, ...]


def check_folder(root: Path) -> Inspection:
    """Inspect a folder in HumanML3D's on-disk format; nothing is raised for what is wrong inside it."""
    problems = list(_layout(root))
    optional = [HELD_OUT] if (root / f"{HELD_OUT}.txt").is_file() else []
    splits = {split: _split(root, split, problems) for split in (*SPLITS, *optional)}
    problems += _splits(root, splits)
    motion = _statistics(root, problems)
    _tried(root, "layout", "dataset.json", lambda: read_card(root), problems, "correct it, or remove it")
    ids = list(dict.fromkeys(i for members in splits.values() for i in members))
    _annotations(root, ids, problems)
    frames, motions = 0, 0
    captions: list[str] = []
    for identifier in ids:
        if motion is not None:
            features = _motion(root, identifier, motion, problems)
            motions, frames = motions + (features is not None), frames + (0 if features is None else len(features))
        captions += _captions(root, identifier, problems)
    if motion is not None:
        problems += _fit(root, splits["train"], motion)
    if all(problem.harmless for problem in problems):
        problems += _as_a_run_opens_it(root)
    plain_motions, plain_captions = _plain_counts(root)
    distinct = len(set(captions)) / max(1, len(captions))
    counts = {split: len(members) for split, members in splits.items()}
    return Inspection(counts, motions, len(captions), plain_motions, plain_captions, frames, distinct, tuple(problems))


def _annotations(root: Path, ids: list[str], problems: list[Problem]) -> None:
    """Our optional files beside the format, where they are there."""
    readers: dict[str, Callable[[], object]] = {
        labels.FILE: lambda: labels.load_labels(root),
        segments.FILE: lambda: segments.find_segments(root, ids),
    }
    for name, read in readers.items():
        if (root / name).is_file():
            _tried(root, "annotations", name, read, problems, "correct it, or remove it: only some tasks need it")


_Read = TypeVar("_Read")


def _tried(
    root: Path, kind: str, where: str, read: Callable[[], _Read], problems: list[Problem], fix: str
) -> _Read | None:
    """What a reader gives; None: it refused, which is noted."""
    try:
        return read()
    except LeadbenchError as exc:
        problems.append(Problem(kind, where, _said(exc, root, where), fix))
        return None


def _said(error: LeadbenchError, root: Path, where: str) -> str:
    """A reader's message without the place, which stands before it."""
    text = str(error).removeprefix(f"dataset {root}: ").replace(f"{root}/", "")
    return text.removeprefix(where).removeprefix(":").strip()


def _as_a_run_opens_it(root: Path) -> Iterator[Problem]:
    try:
        dataset = HumanML3DFolder(root)
        for split in SPLITS:
            dataset.load(split)
    except LeadbenchError as exc:
        yield Problem("opening", f"{root.name}/", _said(exc, root, ""), "a run refuses the folder so")


def _plain_counts(root: Path) -> tuple[int, int]:
    """Motions, and lines of captions, of all files but the mirrored copies."""
    motions = {path.stem for path in (root / "new_joint_vecs").glob("*.npy")}
    texts = {path.stem: path for path in (root / "texts").glob("*.txt")}
    plain = [path for stem, path in texts.items() if not (stem.startswith("M") and stem[1:] in texts)]
    lines = sum(len(read_captions(path, {})) for path in plain)
    return sum(not (stem.startswith("M") and stem[1:] in motions) for stem in motions), lines


def _layout(root: Path) -> Iterator[Problem]:
    for name in ("new_joint_vecs", "texts"):
        if not (root / name).is_dir():
            yield Problem("layout", f"{name}/", "missing", "unpack or prepare the dataset again")
    for name in ("Mean.npy", "Std.npy", *(f"{split}.txt" for split in SPLITS)):
        if not (root / name).is_file():
            yield Problem("layout", name, "missing", "unpack or prepare the dataset again")


def _split(root: Path, split: str, problems: list[Problem]) -> list[str]:
    path = root / f"{split}.txt"
    if not path.is_file():
        return []  # noted as missing
    return list(_tried(root, "splits", path.name, lambda: read_split(path), problems, "list ids, one a line") or ())


def _splits(root: Path, splits: dict[str, list[str]]) -> Iterator[Problem]:
    home: dict[str, str] = {}
    for split, members in splits.items():
        for identifier, count in Counter(members).items():
            if count > 1:
                yield Problem("splits", f"{split}.txt", f"names {identifier} {count} times", "keep one line")
            if identifier in home:
                where = f"{home[identifier]}.txt and {split}.txt"
                yield Problem("splits", where, f"both name {identifier}", "take it out of one")
            home.setdefault(identifier, split)
    for identifier, split in home.items():
        original = home.get(identifier[1:]) if identifier.startswith("M") else None
        if original is not None and original != split:
            what = f"{identifier} is the mirrored copy of a motion of {original}"
            yield Problem("splits", f"{split}.txt", what, "keep a motion and its mirrored copy in one split")
    listed = set(home)
    spare = [path.stem for path in sorted((root / "new_joint_vecs").glob("*.npy")) if path.stem not in listed]
    if spare and listed:
        what = f"{len(spare)} motions are in no split (first: {spare[0]})"
        yield Problem("splits", "new_joint_vecs/", what, "add them to a split, or ignore this", harmless=True)


def _statistics(root: Path, problems: list[Problem]) -> MotionSpec | None:
    """What the statistics say of features; None: they are missing or wrong."""
    if not all((root / name).is_file() for name in ("Mean.npy", "Std.npy")):
        return None  # noted as missing
    fix = "compute both from the train split"
    found = _tried(root, "statistics", "Mean.npy, Std.npy", lambda: read_statistics(root), problems, fix)
    if found is None:
        return None
    mean, std, skeleton = found
    return MotionSpec(skeleton.name, skeleton.fps, torch.from_numpy(mean), torch.from_numpy(std))


def _motion(root: Path, identifier: str, motion: MotionSpec, problems: list[Problem]) -> NDArray[np.float32] | None:
    path, where = root / "new_joint_vecs" / f"{identifier}.npy", f"new_joint_vecs/{identifier}.npy"
    if not path.is_file():
        problems.append(Problem("motions", where, "missing", "take the id out of its split, or restore the file"))
        return None
    features = _tried(root, "motions", where, lambda: read_features(path, motion.width), problems, "write it again")
    if features is None:
        return None
    if not np.isfinite(features).all():
        known = identifier in HUMANML3D_NAN
        fix = "HumanML3D is published so; it is left out" if known else "take it out, or run with --skip-bad-motions"
        problems.append(Problem("motions", where, "holds NaN or infinity", fix, harmless=known))
    if len(features) < 24:
        fix = "official code drops such clips, and so does a run"
        problems.append(Problem("motions", where, f"has {len(features)} frames", fix, harmless=True))
    return features


def _captions(root: Path, identifier: str, problems: list[Problem]) -> list[str]:
    path, where = root / "texts" / f"{identifier}.txt", f"texts/{identifier}.txt"
    if not path.is_file():
        problems.append(Problem("captions", where, "missing", "write one line: caption#word/POS word/POS#0.0#0.0"))
        return []
    bad: dict[int, str] = {}
    lines = read_captions(path, bad)
    for message in bad.values():
        here, _, what = message.replace(f"{root}/", "").partition(": ")
        problems.append(Problem("captions", here, what, "correct the line"))
    for line in lines:
        if line.empty:
            fix = "a run leaves it out"
            problems.append(Problem("captions", f"{where}:{line.number}", line.empty, fix, harmless=True))
    if not lines and not bad:
        problems.append(Problem("captions", where, "holds no caption", "a run leaves the motion out", harmless=True))
    return [line.text.caption for line in lines if not line.empty]


def _fit(root: Path, train: list[str], motion: MotionSpec) -> Iterator[Problem]:
    """Whether Mean and Std are those of the train split, roughly: on a spread of its motions."""
    good = []
    for identifier in train[:: max(1, len(train) // _SAMPLE)]:
        with suppress(LeadbenchError):  # noted already
            good.append(read_features(root / "new_joint_vecs" / f"{identifier}.npy", motion.width))
    if not good:
        return
    normal = (np.concatenate(good).astype(np.float64) - motion.mean.numpy()) / motion.std.numpy()
    normal = normal[np.isfinite(normal).all(axis=1)]
    if not len(normal):
        return
    offset, spread = float(np.abs(normal.mean(axis=0)).mean()), float(normal.std(axis=0).mean())
    if offset > _FIT or abs(spread - 1) > _FIT:
        what = f"normalised train features have mean {offset:.2f} and deviation {spread:.2f} instead of 0 and 1"
        yield Problem("statistics", "Mean.npy, Std.npy", what, "compute them from this dataset's train split")
