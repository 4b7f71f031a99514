"""Figures of trainings that trackers are handed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command import call

from leadbench.core.errors import PluginError
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.training.loop import Progress
from leadbench.training.tracking import tracked


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "data"
    synthesize(folder, SynthesisOptions(clips=120, workers=1))
    return folder


class Heard:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def begin(self, training: str, config: Mapping[str, Any], step: int) -> None:
        self.said.append((training, step))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self.said.append((step, dict(figures)))

    def end(self) -> None:
        self.said.append("end")


def test_trackers_begin_with_the_first_step_and_end_however_the_training_ends() -> None:
    first, second, told = Heard(), Heard(), []

    def train() -> None:
        with tracked((first, second), "length", {}, told.append) as report:
            assert report is not None
            report(Progress("length", 8, 9, {"loss": 2.0}, 0.0))
            report(Progress("length", 9, 9, {"loss": 1.0}, 0.0, {"step": 9.0, "score": 0.5}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert first.said == second.said
    assert first.said == [
        ("length", 7),
        (8, {"train/loss": 2.0}),
        (9, {"train/loss": 1.0, "validation/score": 0.5}),
        "end",
    ]
    assert len(told) == 2


def test_tensorboard_reads_what_a_training_wrote(data: Path, tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path / "events"
    command = ["train", "length", "--preset", "tiny", "--dataset", data, "--models", tmp_path / "models"]
    command += ["--track", "tensorboard", "--option", f"tensorboard.folder={folder}"]
    assert call(*command) == 0
    (place,) = folder.iterdir()
    read = accumulators.EventAccumulator(str(place))
    read.Reload()
    losses = read.Scalars("train/loss")
    assert [event.step for event in losses] == list(range(1, len(losses) + 1))
    assert read.Scalars("validation/score")[-1].step == len(losses)


def test_a_tracker_that_is_not_there_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "length", "--preset", "tiny", "--dataset", data, "--models", tmp_path / "models"]
    assert call(*command, "--track", "tensorbord") == 2
    assert "--track: unknown tracker 'tensorbord'" in capsys.readouterr().err


def test_a_tracker_that_fails_is_one_line() -> None:
    class Broken(Heard):
        def log(self, step: int, figures: Mapping[str, float]) -> None:
            raise ConnectionError("no answer")

    def train() -> None:
        with tracked((Broken(),), "length", {}, None) as report:
            assert report is not None
            report(Progress("length", 1, 9, {"loss": 2.0}, 0.0))

    with pytest.raises(PluginError, match="tracker Broken, log: ConnectionError: no answer"):
        train()
