"""Which actions a motion shows one after another, in ``segments.json`` or known of the embedded corpus.

The file is our optional addition to HumanML3D's on-disk format, and maps ids to lists of [action, first frame, end]:
``{"000012": [["walk", 0, 64], ["wave", 64, 120]]}``. BABEL, for instance, annotates motions of HumanML3D like this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.errors import DataError
from leadbench.core.reading import read_json_object
from leadbench.data.synthetic.generate import segments
from leadbench.data.synthetic.options import VERSION

FILE = "segments.json"


@dataclass(frozen=True)
class Segment:
    """Frames ``start`` to ``end`` (excluded) of a motion, in which one action is performed."""

    action: str
    start: int
    end: int


def find_segments(root: Path, ids: Sequence[str]) -> dict[str, tuple[Segment, ...]]:
    """Segments of those ids that have some, in time order.

    Raises:
        DataError: the folder has no ``segments.json`` and is not the embedded corpus, or an entry is not as it must be.
    """
    path = Path(root) / FILE
    if path.is_file():
        stored = read_json_object(path)
        return {name: _segments(path, name, stored[name]) for name in ids if name in stored}
    card = Path(root) / "dataset.json"
    about: Mapping[str, object] = read_json_object(card) if card.is_file() else {}
    seed = about.get("seed")
    if about.get("name") != "synthetic" or about.get("corpus_version") != VERSION or not isinstance(seed, int):
        raise DataError(f"dataset {root}: missing {FILE} (ID: [[action, first frame, end], ...] of motions)")
    return {name: tuple(Segment(*one) for one in segments(seed, int(name))) for name in ids}


def _segments(path: Path, name: str, entry: object) -> tuple[Segment, ...]:
    found, before = [], 0
    for item in entry if isinstance(entry, list) else [None]:
        match item:
            case [str(action), int(start), int(end)] if action and before <= start < end:
                found.append(Segment(action, start, end))
                before = end
            case _:
                raise DataError(
                    f"{path}: {name!r}: needed a list of [action, first frame, end] in time order, without overlap"
                )
    return tuple(found)
