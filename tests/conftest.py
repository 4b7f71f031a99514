"""Shared fixtures: the golden folder, and determinism."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


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
