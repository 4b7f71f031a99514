"""Folders and files in object stores and on the Hugging Face hub, by URL: read through a copy that is kept up to date.

``s3://``, ``gs://``, ``hf://`` and whatever else fsspec knows. What is read lies in the cache folder; a file is fetched
again where the store says that it changed. Writing is local, and published by ``leadbench push``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from leadbench.core.errors import ConfigError, DataError, nearest
from leadbench.core.files import aside, locked, remove_abandoned, write_text_atomic
from leadbench.core.reading import read_json_object, reason
from leadbench.core.settings import cache_folder
from leadbench.core.urls import url_of

HUB = "hf"
_AT_ONCE = 256
_LISTING, _CONTENT = "files.json", "content"
_TELLING = ("ETag", "etag", "blob_id", "md5Hash", "md5", "checksum", "oid", "LastModified", "last_modified", "mtime")


@dataclass(frozen=True)
class Store:
    """A place in an object store.

    Attributes:
        url: as it was named.
        system: of fsspec.
        path: within it, without a slash at its end.
    """

    url: str
    system: Any
    path: str

    def listing(self) -> dict[str, Mapping[str, Any]]:
        """Files below it by their relative names, with what the store says of them; of a file: itself, by ``""``.

        Raises:
            DataError: there is nothing, or the store does not answer.
        """
        try:
            self.system.invalidate_cache()
            found = self.system.find(self.path, detail=True)
        except FileNotFoundError:
            found = {}
        except Exception as exc:  # clients of stores raise anything
            raise DataError(f"{self.url}: cannot be listed ({reason(exc)})") from exc
        if not found:
            raise DataError(f"{self.url}: there is nothing of that name")
        names = {name: self._relative(name) for name in found}
        return {short: found[name] for name, short in sorted(names.items()) if short is not None}

    def fetch(self, names: list[str], folder: Path) -> None:
        """Bring files into a folder, under the same names.

        Raises:
            DataError: one cannot be read.
        """
        for start in range(0, len(names), _AT_ONCE):
            chosen = names[start : start + _AT_ONCE]
            targets = [folder / (name or PurePosixPath(self.path).name) for name in chosen]
            for target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            sources = [f"{self.path}/{name}" if name else self.path for name in chosen]
            try:
                self.system.get(sources, [str(target) for target in targets])
            except Exception as exc:  # clients of stores raise anything
                raise DataError(f"{self.url}: cannot be read ({reason(exc)})") from exc

    def _relative(self, name: str) -> str | None:
        """Name below this place; "" of the file itself; None: hidden, and not to be fetched.

        Raises:
            DataError: it would leave the folder that it is fetched to.
        """
        root = self.path.rstrip("/")
        if name == root:
            return ""
        short = name.removeprefix(f"{root}/")
        parts = PurePosixPath(short).parts
        if name == short or ".." in parts or "\\" in short or PurePosixPath(short).is_absolute():
            raise DataError(f"{self.url}: holds a file of the name {name!r}, which no folder here may")
        return None if any(part.startswith(".") for part in parts) else short


def open_store(url: str) -> Store:
    """The place that a URL names.

    Raises:
        ConfigError: no such kind of store, or the package that speaks to it is missing.
    """
    import fsspec  # not needed where everything is local
    from fsspec.core import url_to_fs

    scheme = url.partition("://")[0]
    known = fsspec.available_protocols()
    if scheme not in known:
        guess = nearest(scheme, known)
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise ConfigError(f"{url}: no such kind of store (allowed: s3, gs, az, hf, file and others of fsspec{hint})")
    # told each time: the hub's client reads the variable once, when it is imported
    options = {"endpoint": os.environ["HF_ENDPOINT"]} if scheme == HUB and "HF_ENDPOINT" in os.environ else {}
    try:
        system, path = url_to_fs(url, **options)
    except ImportError as exc:
        raise ConfigError(f"{url}: {reason(exc)}") from exc
    except (ValueError, OSError) as exc:
        raise ConfigError(f"{url}: no place that can be read ({reason(exc)})") from exc
    return Store(url, system, str(path).rstrip("/"))


def local_copy(place: str | Path) -> Path:
    """A path as it is; of a URL a copy here of what lies there now.

    Within a process a URL is looked at once, so that all of a command reads the same.

    Raises:
        ConfigError: no such kind of store.
        DataError: there is nothing, or it cannot be read.
    """
    url = url_of(place)
    return Path(place) if url is None else _copied(url)


def local_file(place: str | Path) -> Path:
    """A file as it is; of a URL a copy, with what lies beside it, such as a model's card.

    Raises:
        ConfigError: no such kind of store.
        DataError: there is nothing, or it cannot be read.
    """
    url = url_of(place)
    if url is None:
        return Path(place)
    folder, _, name = url.rpartition("/")
    return local_copy(folder) / name


def with_urls(text: str) -> str:
    """A message with the URLs of copies in the place of where they lie here."""
    for folder, url in _named.items():
        text = text.replace(folder, url)
    return text


def is_copy(path: Path) -> bool:
    """Whether a path lies in what :func:`local_copy` keeps, where nothing is to be written."""
    return _copies() in path.absolute().parents


def _copies() -> Path:
    return cache_folder().absolute() / "remote"


_named: dict[str, str] = {}  # copies of this process: where they lie, and their URLs


@cache
def _copied(url: str) -> Path:
    store = open_store(url)
    home = _copies() / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    content, listing = home / _CONTENT, home / _LISTING
    with locked(home.with_suffix(".lock")):
        there = {name: _state(told) for name, told in store.listing().items()}
        kept = read_json_object(listing, DataError) if listing.is_file() else {}
        had = kept.get("files", {})
        missing = [name for name, state in there.items() if had.get(name) != state]
        gone = [name for name in had if name not in there]
        if missing or gone or not content.is_dir():
            _bring(store, missing, gone, content)
            write_text_atomic(listing, json.dumps({"url": url, "files": there}, indent=1, sort_keys=True))
    _named[str(content)] = url.rstrip("/")
    return content / PurePosixPath(store.path).name if set(there) == {""} else content


def _bring(store: Store, names: list[str], gone: list[str], content: Path) -> None:
    """Fetch files beside, then put them in their places: a fetch that fails leaves the copy as it was."""
    content.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(content.parent, "fetched")
    fetched = aside(content, "fetched")
    try:
        store.fetch(names, fetched)
        content.mkdir(exist_ok=True)
        for name in gone:
            (content / name).unlink(missing_ok=True)
        for source in sorted(path for path in fetched.rglob("*") if path.is_file()) if fetched.is_dir() else ():
            target = content / source.relative_to(fetched)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def _state(told: Mapping[str, Any]) -> str:
    """What tells a file of a store from what it held before: its size, and whatever the store says beside."""
    said = [str(told.get("size"))]
    said += [f"{key}={told[key]}" for key in _TELLING if told.get(key) is not None]
    return " ".join(said)
