"""Which actions follow each other: of the embedded corpus as it was performed, of others from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leadbench.core.errors import DataError
from leadbench.data.segments import FILE, Segment, find_segments
from leadbench.data.synthetic.generate import perform
from leadbench.data.synthetic.options import VERSION

IDS = [f"{number:06d}" for number in range(30)]


def corpus(root: Path, **changes: object) -> Path:
    card = {"name": "synthetic", "corpus_version": VERSION, "seed": 3} | changes
    (root / "dataset.json").write_text(json.dumps(card))
    return root


def test_segments_of_the_corpus_are_what_was_performed(tmp_path: Path) -> None:
    found = find_segments(corpus(tmp_path), IDS)
    assert {len(of) for of in found.values()} == {1, 2}
    for number, name in enumerate(IDS):
        clip = perform(3, number)
        assert tuple(segment.action for segment in found[name]) == clip.actions
        assert found[name][0].start == 0
        assert found[name][-1].end == len(clip.joints) - 1  # features have one row less
        if len(clip.actions) == 2:
            first, second = found[name]
            assert first.end == second.start
            assert abs(first.end - clip.acts[0].pose.frames) <= 2


def test_a_file_wins_and_need_not_name_every_motion(tmp_path: Path) -> None:
    (corpus(tmp_path) / FILE).write_text(json.dumps({"000001": [["sit", 0, 30], ["stand up", 34, 60]]}))
    assert find_segments(tmp_path, IDS) == {"000001": (Segment("sit", 0, 30), Segment("stand up", 34, 60))}


@pytest.mark.parametrize(
    "entry",
    [
        "walk",
        ["walk"],
        [["walk", 0]],
        [["walk", 0, 0]],
        [["", 0, 8]],
        [[1, 0, 8]],
        [["walk", 0.5, 8]],
        [["walk", 8, 16], ["wave", 0, 8]],
        [["walk", 0, 9], ["wave", 8, 16]],
        [["walk", -1, 9]],
    ],
)
def test_entries_that_are_no_segments(tmp_path: Path, entry: object) -> None:
    (tmp_path / FILE).write_text(json.dumps({"000001": entry}))
    with pytest.raises(DataError, match=r"segments\.json: '000001': needed a list of"):
        find_segments(tmp_path, IDS)


@pytest.mark.parametrize("changes", [{"name": "mine"}, {"corpus_version": "0"}, {"seed": None}])
def test_other_datasets_need_a_file(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"missing segments\.json"):
        find_segments(corpus(tmp_path, **changes), IDS)
