"""Sending a publication to a store, and fetching one into a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbench.core.errors import ConfigError, DataError
from leadbench.core.files import aside, remove_abandoned
from leadbench.core.provenance import sha256_file
from leadbench.core.reading import parse_json, reason
from leadbench.core.remote import HUB, Store, open_store
from leadbench.core.urls import url_of
from leadbench.publish.contents import MANIFEST, PAGE, RESULTS, Publication

_LOGIN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"


@dataclass(frozen=True)
class Sent:
    """What a push did: how many files went, and how many were there already."""

    sent: int
    kept: int


def push(found: Publication, url: str, *, message: str = "", private: bool = False) -> Sent:
    """Publish in a store; files that are there already stay. The list of files is written last.

    Args:
        found: what.
        url: of a repository of the hub (one commit holds everything), or of a folder in another store.
        message: of the commit.
        private: whether a repository of the hub that is made is private.

    Raises:
        ConfigError: no store, or no repository's name.
        DataError: the store refuses.
    """
    named = _require_url(url)
    texts = {PAGE: found.page.encode(), MANIFEST: found.manifest().encode()}
    if named.startswith(f"{HUB}://"):
        return _push_to_hub(found, named, texts, message=message, private=private)
    store = open_store(named)
    there = _published(store)
    sent = 0
    try:
        for name, path in found.files.items():
            if there.get(name) != sha256_file(path):
                _put(store, name, path)
                sent += 1
        for name, content in texts.items():
            _put(store, name, content)
    except (DataError, ConfigError):
        raise
    except Exception as exc:  # clients of stores raise anything
        raise DataError(f"{url}: cannot be written ({reason(exc)})") from exc
    return Sent(sent, len(found.files) - sent)


def pull(url: str, folder: Path, *, replace: bool = False, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Bring what was published into a folder; nothing is changed unless all of it came, with the hashes of its list.

    Args:
        url: of a repository or folder that :func:`push` wrote, or of any other folder.
        folder: new, or of an earlier pull.
        replace: put files in the place of others of their names.
        say: called where there is no list to check against.

    Returns:
        Names of the files that were fetched, beside their list; what was there already is not fetched again.

    Raises:
        ConfigError: no store, or the folder holds other files of these names.
        DataError: there is nothing, it cannot be read, or a file is not what was published.
    """
    named = _require_url(url)
    store = open_store(named)
    listing = store.listing()
    published = _published(store) if MANIFEST in listing else {}
    if not published:
        say(f"{url}: has no {MANIFEST}, so nothing tells whether files are as they were written")
    wanted = [name for name in listing if name and not _is_same(folder / name, published.get(name))]
    in_the_way = [name for name in wanted if (folder / name).exists() and name not in (PAGE, MANIFEST)]
    if in_the_way and not replace:
        raise ConfigError(
            f"{folder / in_the_way[0]}: is another file than the published one; give --replace to replace it"
        )
    lacking = sorted(set(published) - set(listing))
    if lacking:
        raise DataError(f"{url}: {lacking[0]} is missing, which was published")
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent, "pulled")
    fetched = aside(folder, "pulled")
    try:
        fetched.mkdir()
        store.fetch(wanted, fetched)
        _require_as_published(fetched, wanted, published, url)
        _put_in_place(fetched, folder, wanted)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)
    return [name for name in wanted if name != MANIFEST]


def _require_url(url: str) -> str:
    named = url_of(url)
    if named is None:
        raise ConfigError(f"{url}: no URL (allowed: hf://USER/NAME, hf://datasets/USER/NAME, s3://..., file://...)")
    return named


def _push_to_hub(found: Publication, url: str, texts: Mapping[str, bytes], *, message: str, private: bool) -> Sent:
    from huggingface_hub import CommitOperationAdd, HfApi  # not needed where everything is local
    from huggingface_hub.utils.tqdm import disable_progress_bars

    kind, name = _repository(url, found.kind)
    disable_progress_bars()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    added: dict[str, Path | bytes] = {**found.files, **texts}
    try:
        api.create_repo(name, repo_type=kind, private=private, exist_ok=True)
        store = open_store(url)
        there = _published(store)
        sent = {n: held for n, held in added.items() if n in texts or there.get(n) != sha256_file(found.files[n])}
        operations = [
            CommitOperationAdd(path_in_repo=n, path_or_fileobj=held if isinstance(held, bytes) else str(held))
            for n, held in sent.items()
        ]
        api.create_commit(name, operations, repo_type=kind, commit_message=message or f"{found.kind} of leadbench")
    except (DataError, ConfigError):
        raise
    except Exception as exc:  # the hub's client raises its own, its transport's and the system's
        status = getattr(getattr(exc, "response", None), "status_code", None)
        advice = f"; {_LOGIN}" if status in (401, 403) or type(exc).__name__ == "LocalTokenNotFoundError" else ""
        raise DataError(f"{url}: the hub refuses ({reason(exc)}){advice}") from exc
    count = len(sent) - len(texts)
    return Sent(count, len(found.files) - count)


def _repository(url: str, kind: str) -> tuple[str, str]:
    """Type and name of a repository of the hub.

    Raises:
        ConfigError: it names none, or one of another kind than what is published.
    """
    parts = url.partition("://")[2].strip("/").split("/")
    given, parts = ("dataset", parts[1:]) if parts[0] == "datasets" else ("model", parts)
    if len(parts) != 2 or "@" in url:
        raise ConfigError(f"{url}: must be hf://USER/NAME of models, or hf://datasets/USER/NAME of results")
    wanted = "dataset" if kind == RESULTS else "model"
    if given != wanted:
        right = f"hf://{'datasets/' if wanted == 'dataset' else ''}{'/'.join(parts)}"
        raise ConfigError(f"{url}: {kind} belong into a repository of kind {wanted}: {right}")
    return given, "/".join(parts)


def _published(store: Store) -> dict[str, str]:
    """SHA-256 of each file by what was published last; nothing where nothing was."""
    try:
        store.system.invalidate_cache()
        raw: bytes = store.system.cat_file(f"{store.path}/{MANIFEST}")
    except FileNotFoundError:
        return {}
    except Exception as exc:  # clients of stores raise anything
        raise DataError(f"{store.url}: cannot be read ({reason(exc)})") from exc
    files: Any = parse_json(raw.decode("utf-8", "replace"), f"{store.url}/{MANIFEST}", DataError)
    files = files.get("files") if isinstance(files, dict) else None
    if not isinstance(files, dict) or not all(isinstance(told, dict) and "sha256" in told for told in files.values()):
        raise DataError(f"{store.url}/{MANIFEST}: lists no files with their hashes")
    return {name: str(told["sha256"]) for name, told in files.items()}


def _put(store: Store, name: str, held: Path | bytes) -> None:
    """Write a file whole: stores of objects do, and on a disk it is written aside and renamed."""
    target = f"{store.path}/{name}"
    folder, _, last = target.rpartition("/")
    store.system.makedirs(folder, exist_ok=True)
    beside = f"{folder}/.{last}.{os.getpid()}.tmp" if store.url.startswith(("file:", "local:")) else target
    if isinstance(held, bytes):
        store.system.pipe_file(beside, held)
    else:
        store.system.put_file(str(held), beside)
    if beside != target:
        store.system.mv(beside, target)


def _is_same(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and path.is_file() and sha256_file(path) == sha256


def _require_as_published(fetched: Path, names: list[str], published: Mapping[str, str], url: str) -> None:
    for name in names:
        told = published.get(name)
        if told is not None and sha256_file(fetched / name) != told:
            raise DataError(f"{url}: {name} is not what was published (its SHA-256 differs)")


def _put_in_place(fetched: Path, folder: Path, names: list[str]) -> None:
    if not folder.exists():
        os.replace(fetched, folder)
        return
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(fetched / name, folder / name)
