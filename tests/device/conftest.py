"""The pretended device as a fixture, and a small corpus that the shipped models run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import command
import pytest

from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.testing.pretended import Pretended, pretended_device
from leadbench.zoo.embedded import shipped

Call = Callable[..., int]


@pytest.fixture
def pretended() -> Iterator[Pretended]:
    """``--device lazy`` works inside, and ``auto`` means it."""
    with pretended_device() as mode:
        yield mode


@pytest.fixture(scope="package")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 70 test motions of the embedded kind."""
    folder = tmp_path_factory.mktemp("device") / "corpus"
    synthesize(folder, SynthesisOptions(clips=400, workers=1))
    return folder


@pytest.fixture
def call(corpus: Path) -> Call:
    """Run a command on the corpus with the shipped models; its exit code."""

    def call(*arguments: object, models: Path | None = None) -> int:
        return command.call(*arguments, "--dataset", corpus, "--models", models or shipped().folder)

    return call
