"""What is wrong with a dataset folder, where, and how to fix it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leadbench.core.skeleton import skeleton_for_width
from leadbench.data.humanml3d import HELD_OUT, SPLITS

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
    splits = {split: _ids(root / f"{split}.txt") for split in (*SPLITS, *optional)}
    problems += _splits(root, splits)
    width = _statistics_width(root, problems)
    ids = list(dict.fromkeys(i for members in splits.values() for i in members))
    frames, motions = 0, 0
    captions: list[str] = []
    for identifier in ids:
        found, wrong = _motion(root, identifier, width)
        problems += wrong
        if found is not None:
            motions, frames = motions + 1, frames + len(found)
        texts, wrong = _captions(root, identifier)
        problems += wrong
        captions += texts
    if width is not None:
        problems += _fit(root, splits["train"], width)
    plain_motions, plain_captions = _plain_counts(root)
    distinct = len(set(captions)) / max(1, len(captions))
    counts = {split: len(members) for split, members in splits.items()}
    return Inspection(counts, motions, len(captions), plain_motions, plain_captions, frames, distinct, tuple(problems))


def _plain_counts(root: Path) -> tuple[int, int]:
    """Motions, and lines of captions, of all files but the mirrored copies."""
    motions = {path.stem for path in (root / "new_joint_vecs").glob("*.npy")}
    texts = {path.stem: path for path in (root / "texts").glob("*.txt")}
    plain = [path for stem, path in texts.items() if not (stem.startswith("M") and stem[1:] in texts)]
    lines = sum(sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines()) for path in plain)
    return sum(not (stem.startswith("M") and stem[1:] in motions) for stem in motions), lines


def _layout(root: Path) -> Iterator[Problem]:
    for name in ("new_joint_vecs", "texts"):
        if not (root / name).is_dir():
            yield Problem("layout", f"{name}/", "missing", "unpack or prepare the dataset again")
    for name in ("Mean.npy", "Std.npy", *(f"{split}.txt" for split in SPLITS)):
        if not (root / name).is_file():
            yield Problem("layout", name, "missing", "unpack or prepare the dataset again")


def _ids(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def _splits(root: Path, splits: dict[str, list[str]]) -> Iterator[Problem]:
    home: dict[str, str] = {}
    for split, members in splits.items():
        if (root / f"{split}.txt").is_file() and not members:
            yield Problem("splits", f"{split}.txt", "is empty", "list the ids of the split, one a line")
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


def _statistics_width(root: Path, problems: list[Problem]) -> int | None:
    widths = []
    for name in ("Mean.npy", "Std.npy"):
        values = _array(root / name)
        if values is None or values.ndim != 1:
            if (root / name).is_file():
                problems.append(Problem("statistics", name, "is no array [D]", "compute it from the train split"))
            continue
        if not np.isfinite(values).all() or (name == "Std.npy" and (values <= 0).any()):
            what = "holds NaN, infinity" + (" or values that are not positive" if name == "Std.npy" else "")
            problems.append(Problem("statistics", name, what, "compute it from the train split"))
        widths.append(len(values))
    if len(set(widths)) > 1:
        problems.append(Problem("statistics", "Mean.npy, Std.npy", f"widths {widths} differ", "compute both again"))
        return None
    if widths:
        try:
            skeleton_for_width(widths[0])
        except Exception as exc:
            problems.append(Problem("statistics", "Mean.npy", str(exc), "use 263 (22 joints) or 251 (21 joints)"))
            return None
    return widths[0] if widths else None


def _motion(root: Path, identifier: str, width: int | None) -> tuple[NDArray[np.floating] | None, list[Problem]]:
    path = root / "new_joint_vecs" / f"{identifier}.npy"
    where = f"new_joint_vecs/{identifier}.npy"
    if not path.is_file():
        return None, [Problem("motions", where, "missing", "take the id out of its split, or restore the file")]
    features = _array(path)
    if features is None or features.ndim != 2:
        return None, [Problem("motions", where, "is no array [F, D]", "write it again")]
    wrong = []
    if width is not None and features.shape[1] != width:
        wrong.append(Problem("motions", where, f"has {features.shape[1]} features, Mean.npy {width}", "write it again"))
    if not np.isfinite(features).all():
        fix = "take it out of its split, or run with --skip-bad-motions"
        wrong.append(Problem("motions", where, "holds NaN or infinity", fix))
    if len(features) < 24:
        fix = "official code drops such clips: so should you"
        wrong.append(Problem("motions", where, f"has {len(features)} frames", fix, harmless=True))
    return features, wrong


def _captions(root: Path, identifier: str) -> tuple[list[str], list[Problem]]:
    path, where = root / "texts" / f"{identifier}.txt", f"texts/{identifier}.txt"
    if not path.is_file():
        return [], [Problem("captions", where, "missing", "write one line: caption#word/POS word/POS#0.0#0.0")]
    captions, wrong = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.split("#")
        here = f"{where}:{number}"
        if len(parts) != 4:
            wrong.append(Problem("captions", here, f"has {len(parts)} parts", "write caption#tokens#start#end"))
            continue
        bad = [token for token in parts[1].split() if token.count("/") != 1]
        if bad:
            wrong.append(Problem("captions", here, f"token {bad[0]!r}", "write word/POS with exactly one slash"))
        if not _is_number(parts[2]) or not _is_number(parts[3]):
            wrong.append(Problem("captions", here, "start or end is no number", "write seconds; 0.0: the whole"))
        captions.append(parts[0])
    if not captions and not wrong:
        wrong.append(Problem("captions", where, "holds no caption", "write caption#word/POS word/POS#0.0#0.0"))
    return captions, wrong


def _fit(root: Path, train: list[str], width: int) -> Iterator[Problem]:
    """Whether Mean and Std are those of the train split, roughly: on a spread of its motions."""
    mean, std = _array(root / "Mean.npy"), _array(root / "Std.npy")
    clips = [_array(root / "new_joint_vecs" / f"{i}.npy") for i in train[:: max(1, len(train) // _SAMPLE)]]
    good = [clip for clip in clips if clip is not None and clip.ndim == 2 and clip.shape[1] == width]
    if mean is None or std is None or not good or not (std > 0).all():
        return
    normal = (np.concatenate(good) - mean) / std
    normal = normal[np.isfinite(normal).all(axis=1)]
    if not len(normal):
        return
    offset, spread = float(np.abs(normal.mean(axis=0)).mean()), float(normal.std(axis=0).mean())
    if offset > _FIT or abs(spread - 1) > _FIT:
        what = f"normalised train features have mean {offset:.2f} and deviation {spread:.2f} instead of 0 and 1"
        yield Problem("statistics", "Mean.npy, Std.npy", what, "compute them from this dataset's train split")


def _array(path: Path) -> NDArray[np.floating] | None:
    try:
        values: NDArray[np.floating] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return values if np.issubdtype(values.dtype, np.number) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
