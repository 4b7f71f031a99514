"""A Ray cluster: joined, or started on this machine. Ray is an extra, imported when it is asked for."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import ExitStack, redirect_stdout
from typing import Any

from leadbench.core.errors import ConfigError
from leadbench.core.reading import reason

LOCAL = "local"
"""A cluster that is started here, and ends with this process."""

AUTO = "auto"
"""The cluster that this machine belongs to (``ray start``)."""

_ANSWER_SECONDS = 10.0

TRIES = 10
"""Times that a piece of work is begun whose machines die."""


def connect(address: str, cpus: int | None = None) -> Any:
    """Ray, connected; nothing is reported to its makers.

    Args:
        address: :data:`LOCAL`, :data:`AUTO`, or that of a cluster, such as ``10.0.0.1:6379`` or ``ray://HOST:10001``.
        cpus: of a cluster that is started here; default: the machine's.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as exc:
        raise ConfigError(f"--cluster {address}: Ray is missing; install it: pip install 'leadbench[cluster]'") from exc
    if ray.is_initialized():
        return ray
    if address not in (LOCAL, AUTO):
        _require_answer(address)
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == LOCAL:
            ray.init(address="local", num_cpus=cpus, **quiet)
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, OSError) as exc:
        raise ConfigError(
            f"--cluster {address}: no such cluster ({reason(exc)}); allowed: local, auto, HOST:PORT"
        ) from exc
    _standard_output.enter_context(redirect_stdout(sys.stderr))
    return ray


def leave(ray: Any) -> None:
    """Leave the cluster; one that was started here ends."""
    ray.shutdown()
    _standard_output.close()


_standard_output = ExitStack()
"""Held while connected: Ray prints what happens to machines to the standard output, where results belong."""


def _require_answer(address: str) -> None:
    """Raise ConfigError where nobody answers: Ray itself would try for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"--cluster {address}: must be local, auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as exc:
        raise ConfigError(
            f"--cluster {address}: no such cluster ({reason(exc)}); allowed: local, auto, HOST:PORT"
        ) from exc
