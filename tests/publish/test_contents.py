"""What is published of a folder, and what is not."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from records import MLD, made_record, write_run

from leadbench.core.errors import ConfigError, ResultsError
from leadbench.publish.contents import MODELS, PAGE, RESULTS, publication
from leadbench.zoo.embedded import shipped


def test_results_are_all_files_but_hidden_ones_with_a_page_of_their_tables(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "made", [made_record(MLD, n, metrics={"fid": 1.0 + n}) for n in range(2)])
    (tmp_path / "runs" / ".lock").write_text("")
    (tmp_path / "runs" / "picture.png").write_bytes(b"png")
    found = publication(tmp_path / "runs", "cc-by-4.0", "hf://someone/results")
    assert found.kind == RESULTS
    assert set(found.files) == {"made/records.jsonl", "made/run.json", "picture.png"}
    assert found.page.startswith("---\nlicense: cc-by-4.0\ntags:\n- text-to-motion\n")
    assert "## t2m: made" in found.page
    assert "1.500" in found.page
    manifest = json.loads(found.manifest())
    assert manifest["files"][PAGE]["sha256"] == hashlib.sha256(found.page.encode()).hexdigest()
    assert manifest["files"]["picture.png"] == {"bytes": 3, "sha256": hashlib.sha256(b"png").hexdigest()}


def test_a_page_of_ones_own_is_kept(tmp_path: Path) -> None:
    write_run(tmp_path / "made", [made_record(MLD, metrics={"fid": 1.0})])
    (tmp_path / PAGE).write_text("# Mine\n")
    assert publication(tmp_path, "mit", "hf://someone/results").page.endswith("---\n\n# Mine\n")


def test_models_are_those_with_cards(tmp_path: Path) -> None:
    shutil.copytree(shipped().folder, tmp_path / "models")
    (tmp_path / "models" / "autoencoder.json").unlink()
    found = publication(tmp_path / "models", "apache-2.0", "hf://someone/models")
    assert found.kind == MODELS
    assert "autoencoder.safetensors" not in found.files
    assert {"projector.safetensors", "projector.json"} <= set(found.files)
    assert "--models hf://someone/models" in found.page


@pytest.mark.parametrize("license", ["", "CC BY 4.0", "-x", "mit\nmit"])
def test_a_licence_is_an_identifier(tmp_path: Path, license: str) -> None:
    with pytest.raises(ConfigError, match=r"must be an identifier, such as apache-2.0"):
        publication(tmp_path, license, "hf://a/b")


def test_folders_with_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        publication(tmp_path / "none", "mit", "hf://a/b")
    with pytest.raises(ConfigError, match=r"neither models with their cards nor stored runs"):
        publication(tmp_path, "mit", "hf://a/b")


def test_records_that_were_changed_are_not_published(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "made", [made_record(MLD, metrics={"fid": 1.0})])
    records = folder / "records.jsonl"
    records.write_text(records.read_text().replace("1.0", "0.5"))
    with pytest.raises(ResultsError, match=r"1 of the runs in .* are not as they were written"):
        publication(tmp_path, "mit", "hf://a/b")
