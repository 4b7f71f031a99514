"""What a command wrote, told to whoever started it."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "LEADBENCH_OUTPUTS"
"""Environment variable that names a file; paths of models and run folders are appended to it, one a line."""


def tell_output(path: Path) -> None:
    """Append a path to the file of :data:`VARIABLE`, where it is set."""
    if file := os.environ.get(VARIABLE):
        with open(file, "a", encoding="utf-8") as journal:
            journal.write(f"{path.absolute()}\n")
