"""What action a motion shows: by the dataset, by an id of the embedded corpus, or by the first verb of its captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.config import StructureConfig
from leadbench.core.errors import DataError
from leadbench.core.reading import read_json_object
from leadbench.core.tensors import MotionSample
from leadbench.data.labels import FILE, load_labels
from leadbench.data.synthetic.generate import first_action
from leadbench.data.synthetic.options import VERSION
from leadbench.generation.inversion import coarse_word

_VERBS = "the first verb of the captions"
_SEGMENT = re.compile(r"(.*_\d{3})_\d+$")  # of the Bandai-Namco clips that were cut: 2_walk_normal_001_2


@dataclass(frozen=True)
class ActionLabels:
    """Labels by id, of the motions that have one that counts, and where they come from."""

    by_id: Mapping[str, str]
    source: str

    @property
    def counts(self) -> dict[str, int]:
        """Motions of each label, most frequent first."""
        counted = Counter(self.by_id.values())
        return {label: counted[label] for label in sorted(counted, key=lambda name: (-counted[name], name))}


def find_labels(root: Path, samples: Sequence[MotionSample], config: StructureConfig) -> ActionLabels:
    """Labels of samples that are frequent enough.

    ``labels.json`` in the dataset's folder tells the content of every id. Where it is absent, ids of the embedded
    corpus tell the action that a clip begins with. Else the first verb of the captions is taken, of which only the
    most frequent count: rare ones are mostly wrong tags.

    Raises:
        DataError: ``labels.json`` is not readable, or fewer than 2 labels are frequent enough.
    """
    every = every_label(root, samples)
    said, source = every.by_id, every.source
    most = config.verbs if source == _VERBS else len(samples)
    frequent = {label: n for label, n in every.counts.items() if n >= config.least}
    kept = set(list(frequent)[:most])
    if len(kept) < 2:
        raise DataError(
            f"dataset {root}: {len(kept)} action labels with {config.least} motions or more in split {config.split!r} "
            f"(by {source}), at least 2 are needed"
        )
    return ActionLabels({name: label for name, label in said.items() if label in kept}, source)


def every_label(root: Path, samples: Sequence[MotionSample]) -> ActionLabels:
    """Labels of all samples that have one, rare ones too; from where :func:`find_labels` says."""
    said = _from_file(root, samples)
    if said is not None:
        return ActionLabels(said, f"{FILE} of the dataset")
    said = _from_corpus(root, samples)
    if said is not None:
        return ActionLabels(said, "the action that a generated clip begins with")
    return ActionLabels(_from_captions(samples), _VERBS)


def recordings_of(root: Path) -> dict[str, str]:
    """Recording of every id that the dataset's labels name; empty where it has none."""
    return {name: label.recording for name, label in load_labels(root).items()} if (root / FILE).is_file() else {}


def same_clip(ids: Sequence[str], recordings: Mapping[str, str] | None = None) -> list[int]:
    """A number for each id, equal for pieces of one clip: mirrored copies (``M``), sub-clips (``#3``) and segments.

    ``recordings`` say what ids were cut from, where the dataset knows it.

    >>> same_clip(["000012", "M000012", "000013#2", "000013#4", "2_walk_normal_001_1", "M2_walk_normal_001_2", "Mia"])
    [0, 0, 1, 1, 2, 2, 3]
    """
    numbers: dict[str, int] = {}
    known_cuts = recordings or {}
    bare = [known_cuts.get(name.partition("#")[0], _uncut(name)) for name in ids]
    known = set(bare)
    clips = [name[1:] if name.startswith("M") and name[1:] in known else name for name in bare]
    return [numbers.setdefault(clip, len(numbers)) for clip in clips]


def _uncut(name: str) -> str:
    name = name.partition("#")[0]
    segment = _SEGMENT.match(name)
    return segment[1] if segment else name


def _from_file(root: Path, samples: Sequence[MotionSample]) -> dict[str, str] | None:
    if not (root / FILE).is_file():
        return None
    known = load_labels(root)
    whole = {sample.id: sample.id.partition("#")[0] for sample in samples}
    return {name: known[clip].content for name, clip in whole.items() if clip in known}


def _from_corpus(root: Path, samples: Sequence[MotionSample]) -> dict[str, str] | None:
    path = root / "dataset.json"
    card = read_json_object(path) if path.is_file() else {}
    if card.get("name") != "synthetic" or card.get("corpus_version") != VERSION:
        return None
    return {sample.id: first_action(int(sample.id)) for sample in samples}


def _from_captions(samples: Sequence[MotionSample]) -> dict[str, str]:
    found = {sample.id: coarse_word(sample, default="") for sample in samples}
    return {name: word for name, word in found.items() if word}
