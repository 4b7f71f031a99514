"""What a dataset's motions show: content, style and the recording they come from, in ``labels.json``.

The file is our optional addition to HumanML3D's on-disk format. It maps every id of every split to its labels; the
identity of a dataset does not depend on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from leadbench.core.errors import DataError
from leadbench.core.reading import read_json_object, reason

FILE = "labels.json"


@dataclass(frozen=True)
class MotionLabel:
    """Labels of one motion.

    Attributes:
        content: what is done, such as "walk".
        style: how, such as "elderly".
        recording: name of the source file, which its segments and mirrored copies share.
    """

    content: str
    style: str
    recording: str


def write_labels(root: Path, labels: Mapping[str, MotionLabel]) -> None:
    """Write ``labels.json``, one id a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(asdict(labels[name]))}" for name in sorted(labels)]
    (root / FILE).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def load_labels(root: Path) -> dict[str, MotionLabel]:
    """Labels of a dataset folder, by id.

    Raises:
        DataError: the folder has no ``labels.json``, or an entry lacks content, style or recording.
    """
    path = Path(root) / FILE
    if not path.is_file():
        raise DataError(
            f"dataset {root}: missing {FILE} (content and style of every id; leadbench data prepare bnr and 100style "
            f"write it)"
        )
    stored = read_json_object(path)
    try:
        labels = {str(name): MotionLabel(**entry) for name, entry in stored.items()}
    except TypeError as exc:
        raise DataError(f"{path}: needed ID: {{content, style, recording}} for every id ({reason(exc)})") from exc
    for name, label in labels.items():
        if not all(isinstance(value, str) for value in vars(label).values()):
            raise DataError(f"{path}: {name!r}: content, style and recording must be text")
    return labels


def label_of(labels: Mapping[str, MotionLabel], name: str) -> MotionLabel:
    """Labels of a sample: one cut by a time tag (``ID#LINE``) has those of its motion.

    Raises:
        DataError: the motion has none.

    >>> label_of({"a": MotionLabel("walk", "old", "a")}, "a#2").style
    'old'
    """
    found = labels.get(name, labels.get(name.partition("#")[0]))
    if found is None:
        raise DataError(f"{FILE}: motion {name!r} has no labels")
    return found
