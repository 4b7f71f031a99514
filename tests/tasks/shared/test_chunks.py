from __future__ import annotations

import threading

import pytest
import torch
from folders import write_folder

from leadbench.core.errors import ConfigError
from leadbench.data.humanml3d import DrawnSample, HumanML3DFolder, draw
from leadbench.tasks.shared.chunks import MOST_WORKERS, Chunk, ChunkedWork, chunk_workers


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


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_do_the_same_work(drawn: list[DrawnSample], workers: int) -> None:
    done: list[int] = []
    names: set[str] = set()
    threads = torch.get_num_threads()

    def work(chunk: Chunk) -> None:
        names.add(threading.current_thread().name)
        if len(chunk.rows) > 3:
            raise MemoryError
        done.extend(chunk.rows)

    chunks = ChunkedWork(8, workers)
    chunks.run_all([(drawn, work), (drawn[:7], work)])
    assert sorted(done) == sorted([*range(len(drawn)), *range(7)])
    assert chunks.size <= 4
    assert any(name.startswith("chunk") for name in names)
    assert torch.get_num_threads() == threads


def test_errors_of_threads_pass_and_stop_the_rest(drawn: list[DrawnSample]) -> None:
    begun: list[Chunk] = []

    def work(chunk: Chunk) -> None:
        begun.append(chunk)
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        ChunkedWork(1, workers=2).run(drawn, work)
    assert len(begun) < len(drawn)


def test_only_parts_that_say_so_are_called_by_several_threads() -> None:
    class Willing:
        concurrent = True

    assert chunk_workers([Willing(), object()]) == 1
    assert chunk_workers([Willing()]) == min(torch.get_num_threads(), MOST_WORKERS)


def test_chunks_of_most_frames_come_first(drawn: list[DrawnSample]) -> None:
    frames: list[int] = []

    def work(chunk: Chunk) -> None:
        frames.append(sum(drawn[i].length for i in chunk.rows))

    ChunkedWork(4).run_all([(drawn[:5], work), (drawn, work)])
    assert frames == sorted(frames, reverse=True)
    assert len(set(frames)) > 2
