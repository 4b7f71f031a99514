"""Publishing models and results, and fetching them."""

from __future__ import annotations

from pathlib import Path

from leadbench.publish import stores
from leadbench.publish.contents import publication


def push(folder: str | Path, url: str, *, license: str, message: str = "", private: bool = False) -> tuple[int, int]:
    """Publish a model folder, or a folder with stored runs below it, as ``leadbench push`` does.

    Args:
        folder: what is checked first, and then sent.
        url: ``hf://USER/NAME`` of models, ``hf://datasets/USER/NAME`` of results, or a folder in another store.
        license: identifier of the licence, such as ``cc-by-nc-4.0``.
        message: of the commit, on the hub.
        private: whether a repository of the hub that is made is private.

    Returns:
        How many files were sent, and how many were there already.

    Raises:
        ConfigError: there is nothing to publish, or the URL or the licence is none.
        WeightsError, ResultsError: a model is damaged, or a run is not as it was written.
        DataError: the store refuses.
    """
    done = stores.push(publication(Path(folder), license, url.rstrip("/")), url, message=message, private=private)
    return done.sent, done.kept


def pull(url: str, folder: str | Path, *, replace: bool = False) -> list[str]:
    """Bring what was published into a folder, as ``leadbench pull`` does.

    Args:
        url: where it was published.
        folder: new, or of an earlier pull.
        replace: put files in the place of others of their names.

    Returns:
        Names of the files that were fetched.

    Raises:
        ConfigError: the folder holds other files of these names.
        DataError: there is nothing, or a file is not what was published; then nothing was changed.
    """
    return stores.pull(url, Path(folder), replace=replace)
