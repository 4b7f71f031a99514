"""Commands in several processes that were launched together, as ``accelerate launch`` does it, without its start."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

Commands = Sequence[Sequence[str]]


def launch(commands: Commands, processes: int = 2, environment: Mapping[str, str] | None = None) -> list[list[int]]:
    """Exit codes of the commands, one after the other, in each process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"OMP_NUM_THREADS": 1}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        told = [
            {
                key: str(value)
                for key, value in {**shared, "RANK": rank, "LOCAL_RANK": rank, **(environment or {})}.items()
            }
            for rank in range(processes)
        ]
        return list(pool.map(_run, [commands] * processes, told))


def _run(commands: Commands, environment: Mapping[str, str]) -> list[int]:
    os.environ.update(environment)
    import torch
    from command import call

    codes = []
    for command in commands:
        codes.append(call(*command))
        torch.distributed.barrier()  # the others are released before the first one has written
    return codes
