"""What the doctor finds of text encoders: it looks for their weights, and says how to get those that are not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.doctor.diagnosis import Diagnosis
from leadbench.doctor.machine import examine
from leadbench.plugins.manager import load_plugins


def encoder(name: str) -> Diagnosis:
    return next(entry for entry in examine(load_plugins()) if entry.what == f"encoder {name}")


def test_weights_that_packages_carry_are_here() -> None:
    for name in ("minilm", "wordllama"):
        assert encoder(name).found == "its weights are here: can be used offline"


@pytest.mark.parametrize("name", ["clip", "t5"])
def test_weights_that_are_not_here_are_no_problem_but_said(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    found = encoder(name)
    assert found.found == "no weights on this machine"
    assert "fetch" in found.fix
    assert not found.wrong


@pytest.mark.parametrize(("name", "file"), [("clip", "model.safetensors"), ("t5", "modules.json")])
def test_a_configured_folder_is_looked_into(
    name: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"LEADBENCH_ENCODERS__{name.upper()}", str(tmp_path))
    empty = encoder(name)
    assert empty.wrong
    assert str(tmp_path) in empty.found
    (tmp_path / file).write_text("{}")
    assert encoder(name).found == "its weights are here: can be used offline"
