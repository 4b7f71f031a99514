"""Hashes of tensors and files, and provenance that tells nothing private."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import subprocess
from pathlib import Path

import torch

from leadbench.core.provenance import collect_provenance, fingerprint, git_revision, sha256_file


def test_fingerprint_depends_on_names_values_shapes_and_extra_only() -> None:
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4)}
    base = fingerprint(tensors, {"x": 1, "y": 2})
    assert base == fingerprint(dict(reversed(tensors.items())), {"y": 2, "x": 1})
    assert base == fingerprint({k: v.double().requires_grad_() for k, v in tensors.items()}, {"x": 1, "y": 2})
    assert base == fingerprint({**tensors, "b": tensors["b"].T.contiguous().T}, {"x": 1, "y": 2})
    others = [
        fingerprint(tensors, {"x": 1, "y": 3}),
        fingerprint({**tensors, "b": tensors["b"].reshape(3, 2)}, {"x": 1, "y": 2}),
        fingerprint({**tensors, "c": torch.ones(1)}, {"x": 1, "y": 2}),
        fingerprint({"b": tensors["b"], "c": tensors["a"]}, {"x": 1, "y": 2}),
        fingerprint({**tensors, "a": torch.ones(4) + 1e-6}, {"x": 1, "y": 2}),
    ]
    assert len({base, *others}) == 6
    assert len(base) == 64


def test_sha256_file(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    content = bytes(range(256)) * 10_000  # more than one block
    file.write_bytes(content)
    assert sha256_file(file) == hashlib.sha256(content).hexdigest()


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_git_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git(tmp_path, "init")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    clean = git_revision(tmp_path)
    assert clean is not None
    assert len(clean) == 12
    (tmp_path / "file").write_text("b")
    assert git_revision(tmp_path) == f"{clean}+changes"


def test_provenance_is_json_and_tells_nothing_private() -> None:
    found = collect_provenance()
    text = json.dumps(found)
    assert found["packages"]["torch"].startswith(torch.__version__.partition("+")[0])
    assert found["hardware"]["cpu"]
    assert found["hardware"]["memory_gib"] > 0
    assert found["hardware"]["threads"] == torch.get_num_threads()
    strings = _strings(found)
    assert not any(value.startswith(("/", "~")) for value in strings)
    assert str(Path.home()) not in text
    assert platform.node() not in strings
    assert getpass.getuser() not in strings


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    return [value] if isinstance(value, str) else []
