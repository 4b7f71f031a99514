"""Writing files: whole or not at all, one process at a time, and what cannot be written is said first."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from leadbench.core.errors import ConfigError, LeadbenchError
from leadbench.core.reading import reason
from leadbench.core.urls import url_of

_STALE_SECONDS = 24 * 3600.0
_LOOKED_THROUGH: set[tuple[Path, str]] = set()
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_UNSAFE = re.compile(r'[\x00-\x1f/\\:*?"<>|]')


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes the place of ``path`` when the block ends, removed on an error.

    Raises:
        OSError: it cannot be written; ``path`` is as it was.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     target = Path(folder) / "card.json"
    ...     with replacing(target) as temporary:
    ...         _ = temporary.write_text("{}")
    ...     [file.name for file in Path(folder).iterdir()]
    ['card.json']
    """
    remove_abandoned(path.parent, "tmp")
    temporary = aside(path, "tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def aside(path: Path, ending: str) -> Path:
    """A name beside ``path``, on the same disk, that no other machine, process or thread uses."""
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.{threading.get_ident()}.{ending}")


def remove_abandoned(folder: Path, ending: str) -> None:
    """Remove what writers left behind in a folder :func:`aside` that are dead, or that began more than a day ago.

    A folder is looked through once a process.
    """
    if (folder.absolute(), ending) in _LOOKED_THROUGH:
        return
    _LOOKED_THROUGH.add((folder.absolute(), ending))
    for left in folder.glob(f".*.*.*.*.{ending}"):
        host, process, thread = left.name.split(".")[-4:-1]
        if not (process.isdecimal() and thread.isdecimal()):
            continue  # somebody else's
        dead = host == _HOST and not _is_running(int(process))
        with suppress(OSError):
            if dead or time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_text_atomic(path: Path, text: str) -> None:
    """Write a text file, in UTF-8, in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file; a process that finds it held waits. It is free again when its holder ends, however that is.

    Args:
        path: lock file; its folder is made.
        waiting: called once where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def require_output(path: Path, option: str, *, file: bool = False) -> Path:
    """The path itself, if a folder (or file) can be written there; nothing is left behind.

    Args:
        path: what will be made, or written into.
        option: names it in the message.
        file: whether it is a file.

    Raises:
        ConfigError: something else is in the way, or the folder cannot be written.
    """
    if url_of(path) is not None:
        raise ConfigError(
            f"{option} {path}: a place in a store; write to a folder here, then: leadbench push FOLDER URL"
        )
    try:
        if path.is_dir() if file else path.exists() and not path.is_dir():
            kind = "a folder, needed is a file" if file else "a file, needed is a folder"
            raise ConfigError(f"{option} {path}: is {kind}")
        place = path.absolute().parent if file else path.absolute()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise ConfigError(f"{option} {path}: {place} is a file, so nothing can lie below it")
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(bytes(4096))
            probe.flush()
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{option} {path}: cannot be written ({reason(exc)})") from exc
    return path


def require_name(name: str, where: object, error: type[LeadbenchError] = ConfigError) -> str:
    """The name itself, if a file or folder may be called so on every system, inside the folder that is meant.

    Raises:
        error: it is empty, too long, or would leave the folder.

    >>> require_name("bnr", "--name")
    'bnr'
    """
    if not name.strip() or name in (".", "..") or name.startswith(("-", "~")) or _UNSAFE.search(name):
        raise error(f"{where}: {name[:60]!r} cannot be a file's name (allowed: no / \\ : * ? \" < > |, not . or ..)")
    if len(name.encode("utf-8", "surrogatepass")) > 200:
        raise error(f"{where}: {name[:30]!r}... is too long for a file's name (at most 200 bytes)")
    return name
