from __future__ import annotations

import pytest
from folders import write_folder

from leadbench.benchmarks.memory import Chunk, ChunkedWork
from leadbench.data.humanml3d import DrawnSample, HumanML3DFolder, draw
from leadbench.errors import ConfigError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[DrawnSample]:
    ids = {"train": [f"t{i}" for i in range(4)], "val": ["v0"], "test": [f"s{i:02}" for i in range(23)]}
    folder = HumanML3DFolder(write_folder(tmp_path_factory.mktemp("data") / "walks", ids))
    return draw(folder.load("test")[0], seed=0, replication=0)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_every_row_is_done_once_in_halved_chunks(drawn: list[DrawnSample], error: Exception) -> None:
    done: list[int] = []

    def work(chunk: Chunk) -> None:
        if len(chunk.rows) > 3:
            raise error
        done.extend(chunk.rows)

    chunks = ChunkedWork(16)
    chunks.run(drawn, work)
    assert sorted(done) == list(range(len(drawn)))
    assert chunks.size <= 3


def test_other_errors_pass(drawn: list[DrawnSample]) -> None:
    def work(chunk: Chunk) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        ChunkedWork(16).run(drawn, work)


@pytest.mark.parametrize("error", [MemoryError("no more"), MemoryError()])
def test_one_motion_that_does_not_fit_is_told(drawn: list[DrawnSample], error: Exception) -> None:
    def work(chunk: Chunk) -> None:
        raise error

    with pytest.raises(ConfigError, match="one motion at a time"):
        ChunkedWork(4).run(drawn, work)
