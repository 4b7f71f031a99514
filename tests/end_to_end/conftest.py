from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.training.build import build


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a dataset ``data`` and tiny models ``models``."""
    root = tmp_path_factory.mktemp("tiny")
    build("tiny", root, root / "packed", jobs=1, corpus=SynthesisOptions(clips=216, workers=1), say=lambda text: None)
    return root
