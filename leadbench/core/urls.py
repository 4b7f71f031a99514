"""What is a URL, and not a path."""

from __future__ import annotations

import re
from pathlib import Path

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)  # two letters at least: C:/ is a drive


def url_of(place: str | Path) -> str | None:
    """The URL that a user named, also where it went through :class:`Path`, which joins slashes; None: no URL.

    >>> url_of(Path("s3://bucket/models")), url_of("file:///tmp/x"), url_of("data/bnr")
    ('s3://bucket/models', 'file:///tmp/x', None)
    """
    found = _URL.fullmatch(str(place))
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2]
    return f"{scheme}:///{rest}" if scheme in ("file", "local") else f"{scheme}://{rest.lstrip('/')}"
