"""What is a URL, and what is a path."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest

from leadbench.core.urls import url_of


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("hf://me/lead", "hf://me/lead"),
        ("HF://me/Lead", "hf://me/Lead"),
        ("file:/tmp/x", "file:///tmp/x"),
        ("s3://bucket/a b", "s3://bucket/a b"),
        ("hf://datasets/me/x@v1", "hf://datasets/me/x@v1"),
    ],
)
def test_urls_also_through_a_path(place: str, url: str) -> None:
    assert url_of(place) == url
    assert url_of(Path(place)) == url


@pytest.mark.parametrize("place", ["data/bnr", "/tmp/x", "C:/data", "", "a:b", "2x://y", "-://y", "mld=file.ckpt"])
def test_paths(place: str) -> None:
    assert url_of(place) is None


def test_a_drive_is_no_scheme() -> None:
    assert url_of(str(PureWindowsPath("C:/data").as_posix())) is None
