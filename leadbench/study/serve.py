"""Serving a study from this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from leadbench.core.errors import ConfigError
from leadbench.core.reading import reason
from leadbench.study.answers import Answers
from leadbench.study.plan import Study
from leadbench.study.server import compressed, make_app

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(study: Study, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; answers are on the disk at each moment.

    Args:
        study: opened.
        host: address to listen on.
        port: 0 for any that is free.
        ready: called with the address of the first page.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    listening = listen(host, port)
    answers = Answers(study.answers_path, study.plan.identity)
    try:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        config = uvicorn.Config(
            compressed(make_app(study, answers)),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
        )
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:  # how it is meant to end
        pass
    finally:
        answers.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except (OSError, OverflowError) as exc:
        raise ConfigError(f"--host {host} --port {port}: cannot be listened on ({reason(exc)})") from exc
    made.listen(128)
    return made
