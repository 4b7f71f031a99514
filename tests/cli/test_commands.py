"""Commands about the program itself: its version, presets to start from, and results of older versions."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def leadbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leadbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_version() -> None:
    assert leadbench("--version").stdout == f"leadbench {version('leadbench')}\n"


def test_a_printed_preset_is_taken_back_and_a_wrong_one_names_its_place(tmp_path: Path) -> None:
    printed = leadbench("config", "preset", "tiny").stdout
    file = tmp_path / "own.toml"
    file.write_text("﻿" + printed, encoding="utf-8")  # as some editors write it
    missing = ("--dataset", tmp_path / "none", "--preset", "tiny")
    taken = leadbench("train", "autoencoder", "--config", file, *missing)
    assert "no such folder" in taken.stderr  # the file was read before
    file.write_text(printed.replace("align_weight", "allign_weight"), encoding="utf-8")
    refused = leadbench("train", "projector", "--config", file, *missing)
    assert refused.returncode == 2
    assert f"--config {file}: projector.allign_weight" in refused.stderr
    assert "did you mean 'align_weight'" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_results_of_version_1_are_brought_along(tmp_path: Path) -> None:
    folder = tmp_path / "t2m-1"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"schema_version": 1, "config": {"benchmark": "t2m"}}))
    record = {"schema_version": 1, "dataset": "d", "protocol": "guo-2022", "evaluator": "e", "row": "Real", "seed": 0}
    nothing = dict.fromkeys(("display", "backbone", "projector", "steps", "guidance"))
    rest = {"replication": 0, "metrics": {"fid": 0.5}, "details": {"samples": 3}, "chunk_size": 1, "seconds": {}}
    (folder / "records.jsonl").write_text(json.dumps({**record, **nothing, **rest}) + "\n")
    refused = leadbench("tables", folder)
    assert refused.returncode == 2
    assert "leadbench results migrate" in refused.stderr
    assert "1 runs migrated" in (migrated := leadbench("results", "migrate", tmp_path)).stdout + migrated.stderr
    assert "| Real" in leadbench("tables", folder).stdout
