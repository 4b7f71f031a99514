"""Shared fixtures: the golden folder, and determinism."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

# how long an example takes is the machine's affair: no test asserts a time
hypothesis.settings.register_profile("leadbench", deadline=None)
hypothesis.settings.load_profile("leadbench")


def pytest_configure() -> None:
    """Workers of pytest-xdist share the cores: threads beyond them make the tests three times slower."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if workers:
        threads = max(1, (os.cpu_count() or 1) // workers)
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # of the processes that tests start


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of reference numbers recorded from the official implementations (``LEADBENCH_GOLDEN``)."""
    folder = Path(os.environ.get("LEADBENCH_GOLDEN", ROOT.parent / "shared" / "golden"))
    if not folder.is_dir():
        pytest.skip(f"golden folder not found: {folder} (set LEADBENCH_GOLDEN to the reference numbers)")
    return folder


@pytest.fixture(autouse=True)
def _encode_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one, or this user's runs, embedded."""
    monkeypatch.setenv("LEADBENCH_KEEP_CAPTIONS", "0")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
