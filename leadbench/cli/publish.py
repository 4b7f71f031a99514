"""``leadbench push`` and ``leadbench pull``: models and results in object stores and on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.console import note
from leadbench.cli.outputs import writable
from leadbench.publish import stores
from leadbench.publish.contents import publication


def push(
    folder: Annotated[Path, typer.Argument(help="Model folder, or folder with stored runs below it.")],
    url: Annotated[str, typer.Argument(help="hf://USER/NAME, hf://datasets/USER/NAME, s3://BUCKET/FOLDER, ...")],
    license: Annotated[
        str, typer.Option("--license", help="Of what is published, as far as its data allow: cc-by-nc-4.0.")
    ],
    message: Annotated[str, typer.Option("--message", help="Of the commit.", show_default=False)] = "",
    private: Annotated[bool, typer.Option("--private", help="Make the repository private, where it is made.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the page and the files.")] = False,
) -> None:
    """Publish models or results, on the Hugging Face hub or in an object store.

    Models go with their cards, runs with everything beside them that is not hidden; both with a page made from the
    cards or tables, and a list of hashes. Everything is checked first. To the hub it is one commit. Files that are
    there already are not sent again.

    Example: leadbench push data/bnr/models hf://me/lead-bnr --license cc-by-nc-4.0

    Example: leadbench push runs s3://bucket/runs --license cc-by-4.0
    """
    found = publication(folder, license, url.rstrip("/"))
    if dry_run:
        typer.echo(found.page)
        for name, path in found.files.items():
            typer.echo(f"{name}: {path.stat().st_size:,} bytes")
        return
    done = stores.push(found, url, message=message, private=private)
    typer.echo(f"{url}: {done.sent} files sent, {done.kept} were there")


def pull(
    url: Annotated[str, typer.Argument(help="Where it was published.")],
    folder: Annotated[Path, typer.Argument(help="Folder to bring it to.", callback=writable("FOLDER"))],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put published files in the place of others of their names.")
    ] = False,
) -> None:
    """Download published models or results.

    Every file is compared with the list of hashes that was published; where one differs nothing is changed. The same
    command again fetches what is new.

    Example: leadbench pull hf://me/lead-bnr data/bnr/models
    """
    fetched = stores.pull(url, folder, replace=replace, say=note)
    typer.echo(f"{folder}: {len(fetched)} files fetched")
