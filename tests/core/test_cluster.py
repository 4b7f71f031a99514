"""Addresses of clusters: one line where there is none, and no minutes of waiting."""

from __future__ import annotations

import socket

import pytest

from leadbench.core.cluster import connect
from leadbench.core.errors import ConfigError

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.mark.parametrize("address", ["nowhere", "host:", "host:port", "host:0", "ray://host:99999", ":"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match="must be local, auto, HOST:PORT or ray://HOST:PORT"):
        connect(address)


def test_an_address_where_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConfigError, match=rf"--cluster 127\.0\.0\.1:{port}: no such cluster"):
        connect(f"127.0.0.1:{port}")
