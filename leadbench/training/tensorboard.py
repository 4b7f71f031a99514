"""Figures of trainings as event files of TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadbench.core.config import FrozenModel
from leadbench.plugins.context import Context

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class TensorBoardOptions(FrozenModel):
    """Options of ``tensorboard``.

    Attributes:
        folder: that event files go to, a folder below it for each training.
    """

    folder: Path = Path("runs/tensorboard")


class TensorBoardTracker:
    """Writes scalars; implements :class:`leadbench.core.contracts.Tracker`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def begin(self, training: str, config: Mapping[str, Any], step: int) -> None:
        """Open the training's folder; events of steps after ``step`` are hidden, as of a process that died."""
        from torch.utils.tensorboard.writer import SummaryWriter  # takes a second to import

        self._writer = SummaryWriter(str(self._folder / training), purge_step=step + 1)
        self._writer.add_text("config", f"<pre>{json.dumps(config, indent=1)}</pre>", step)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """A scalar each."""
        assert self._writer is not None, "begin comes first"
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def end(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def create_tracker(context: Context) -> TensorBoardTracker:
    """The tracker that the options describe."""
    options = context.options
    assert isinstance(options, TensorBoardOptions)
    return TensorBoardTracker(options.folder)
