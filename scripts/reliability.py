"""Injects faults and counts what they did: ``python scripts/reliability.py kills`` (or pairs, flips, all).

kills: SIGKILL at a random moment of a command, again and again, then the command to its end; what is left must equal
what an undisturbed command makes, byte for byte or number for number. pairs: two processes do the same at once. flips:
one bit of a file that is read; it must be refused, made anew, harmless, or part of another identity.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

STAGES = ("autoencoder", "diffusion", "consistency", "projector", "evaluator", "tmr", "motionclip")


@dataclass(frozen=True)
class Target:
    """A command, what it leaves behind, and how that is compared.

    Attributes:
        arguments: of ``leadbench``, given the folder to write to.
        content: a comparable of what lies in that folder.
        before: prepares the folder.
        again: whether the command may be given again when it is done; else the folder is new then.
    """

    arguments: Callable[[Path], list[str]]
    content: Callable[[Path], Any]
    before: Callable[[Path], None] = lambda _: None
    again: bool = True


def records(folder: Path) -> Any:
    """Rows, replications and metrics of the run in a folder, by key."""
    from leadbench.results.store import load_runs

    return [sorted((r.key, tuple(r.metrics.items())) for r in run.records) for run in load_runs(folder)]


def files(folder: Path, pattern: str = "*") -> Any:
    """Hashes of files by name; cards without day and duration."""
    found = {}
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".lock":
            found[str(path.relative_to(folder))] = sha256(path.read_bytes()).hexdigest()
    return found


def targets(base: Path) -> dict[str, Target]:
    """Everything that is killed; inputs lie below ``base``."""
    from leadbench.zoo.embedded import shipped

    data, trained = base / "data", base / "models"
    common = ["--dataset", str(data), "--models", str(shipped().folder)]
    small = ["--replications", "4", "--multimodality-replications", "1", "--steps", "1,2", "--quick"]

    def run(*more: str) -> Callable[[Path], list[str]]:
        return lambda out: ["run", "--backbone", "motionlcm", *common, *small, "--out", str(out), *more]

    def train(stage: str) -> Target:
        name = "evaluator" if stage == "tmr" else stage
        more = ["--kind", "tmr"] if stage == "tmr" else []
        text = ["--text-encoder", "wordllama"] if stage in ("diffusion", "consistency") else []
        text = ["--align-encoder", "wordllama"] if stage == "projector" else text
        own = {"diffusion": "diffusion-wordllama", "consistency": "consistency-wordllama", "tmr": "evaluator-tmr"}
        file = own.get(stage, stage)

        def before(folder: Path) -> None:
            if not folder.exists():
                shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints", f"{file}.*"))

        arguments = ["train", name, "--dataset", str(data), "--preset", "tiny", *more, *text]
        longer = ["--set", "loop.steps=60", "--set", "loop.validate_every=20", "--checkpoint-seconds", "0.1"]
        return Target(
            lambda out: [*arguments, *longer, "--models", str(out)],
            lambda out: files(out, f"{file}.safetensors"),
            before,
        )

    mti = ["mti", "run", *common, "--motions", "8", "--replications", "2", "--losses", "mld", "--learning-rates", "0.3"]
    return {
        "run": Target(run(), records),
        "run --jobs 2": Target(run("--jobs", "2"), records),
        "mti run": Target(lambda out: [*mti, "--out", str(out)], records),
        **{f"train {stage}": train(stage) for stage in STAGES},
        "data prepare bnr": Target(
            lambda out: f"data prepare bnr --source {base / 'bvh'} --out {out / 'd'} --workers 2".split(),
            lambda out: files(out / "d"),
            again=False,
        ),
        "data synthesize": Target(
            lambda out: ["data", "synthesize", "--out", str(out / "d"), "--clips", "160", "--workers", "2"],
            lambda out: files(out / "d"),
            again=False,
        ),
        "kept captions": Target(
            lambda out: ["run", "--backbone", "mld", *common, *small[:4], "--steps", "2", "--out", str(out / "runs")],
            lambda out: _kept(out / "cache"),
        ),
    }


def _kept(cache: Path) -> Any:
    from leadbench.text.kept import KeptEmbeddings

    (path,) = (cache / "captions").glob("minilm-*.safetensors")
    identity = next(iter(_identities()))
    return {caption: row.numpy().tobytes() for caption, row in KeptEmbeddings(path, identity).read().items()}


def _identities() -> list[str]:
    from leadbench.text.sources import minilm_identity

    found = minilm_identity()
    return [found] if found else []


def prepare(base: Path) -> None:
    """Inputs of all targets: a generated dataset, BVH files, models of every stage."""
    import bvh_files

    from leadbench.data.synthetic.generate import synthesize
    from leadbench.data.synthetic.options import SynthesisOptions

    synthesize(base / "data", SynthesisOptions(clips=120, workers=1))
    bvh_files.write_bnr_like(base / "bvh", 24, 0)
    for stage, more in (
        ("autoencoder", []),
        ("diffusion", ["--text-encoder", "wordllama"]),
        ("consistency", ["--text-encoder", "wordllama"]),
        ("projector", ["--align-encoder", "wordllama"]),
        ("evaluator", []),
        ("motionclip", []),
    ):
        arguments = f"train {stage} --dataset {base / 'data'} --models {base / 'models'} --preset tiny".split()
        assert finish(start([*arguments, *more], base)) == 0, stage


def start(arguments: list[str], home: Path) -> int:
    """A child that runs ``leadbench`` with what this process has imported; returns its number."""
    child = os.fork()
    if child:
        return child
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(os.open(home / "stderr.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.environ["LEADBENCH_CACHE"] = str(home / "cache")
    from leadbench.cli.main import main

    sys.argv = ["leadbench", "-q", *arguments]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    finally:
        os._exit(code)


def finish(child: int) -> int:
    """Exit code of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kills(base: Path, count: int, rng: random.Random, only: str = "") -> Counter[str]:
    """``count`` kills of each target."""
    found: Counter[str] = Counter()
    for name, target in targets(base).items():
        if not name.startswith(only):
            continue
        with tempfile.TemporaryDirectory(dir=base) as place:
            whole, killed = Path(place) / "whole", Path(place) / "killed"
            for folder in (whole, killed):
                target.before(folder)
                folder.mkdir(exist_ok=True)
            began = time.monotonic()
            assert finish(start(target.arguments(whole), whole)) == 0, (name, (whole / "stderr.txt").read_text())
            took, expected = time.monotonic() - began, target.content(whole)
            done = _killed(target, killed, count, took, rng)
            equal = target.content(killed) == expected
            leftovers = [p.name for p in killed.rglob("*") if p.name.endswith((".tmp", ".partial"))]
            found["kills"] += done
            found["lost or changed"] += not equal
            print(
                f"{name}: {done} kills of a command of {took:.1f} s; result {'equal' if equal else 'DIFFERENT'}"
                + (f"; left behind: {len(leftovers)}" if leftovers else ""),
                flush=True,
            )
    return found


def _killed(target: Target, folder: Path, count: int, took: float, rng: random.Random) -> int:
    """Kill ``count`` times, then let the command end; what was done in between is begun again where it has to be."""
    done = 0
    while done < count:
        child = start(target.arguments(folder), folder)
        time.sleep(rng.uniform(0.0, took))
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            done += 1
            continue
        assert os.waitstatus_to_exitcode(status) == 0, (folder / "stderr.txt").read_text()
        for path in folder.iterdir():  # it ended before its kill: all anew
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder.rmdir()
        target.before(folder)
        folder.mkdir(exist_ok=True)
    code = finish(start(target.arguments(folder), folder))
    assert code == 0, (folder / "stderr.txt").read_text()
    return done


def pairs(base: Path, rounds: int) -> Counter[str]:
    """Two processes give each command at once, ``rounds`` times; one works, the other waits, helps or is refused."""
    found: Counter[str] = Counter()
    for name, target in targets(base).items():
        with tempfile.TemporaryDirectory(dir=base) as place:
            whole = Path(place) / "whole"
            target.before(whole)
            whole.mkdir(exist_ok=True)
            assert finish(start(target.arguments(whole), whole)) == 0
            expected, codes, equal = target.content(whole), Counter[int](), 0
            for number in range(rounds):
                both = Path(place) / f"both-{number}"
                target.before(both)
                both.mkdir(exist_ok=True)
                children = [start(target.arguments(both), both) for _ in range(2)]
                codes.update(map(finish, children))
                equal += target.content(both) == expected
            found["pairs"] += rounds
            found["lost or changed"] += rounds - equal
            found["died"] += sum(n for code, n in codes.items() if code not in ((0,) if target.again else (0, 2)))
            print(f"{name}: {rounds} pairs; exit codes {dict(codes)}; {equal} results equal", flush=True)
    return found


def comparable(value: Any) -> Any:
    """A value as something that can be compared: tensors and arrays by their bytes."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, torch.nn.Module):
        return comparable(dict(value.state_dict()))
    if isinstance(value, Mapping):
        return {str(key): comparable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [comparable(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: comparable(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "network"):
        return comparable({name: item for name, item in vars(value).items() if name != "text"})
    return repr(value)


USERS_OWN = {"BVH", "BVH as exemplar", "cuts of 100STYLE", "exemplar", "bone lengths", "settings", "overrides",
             "configuration of CLIP", "labels", "statistics of an evaluator", "checkpoint", "legacy checkpoint",
             "word vectors", "words", "rows of words", "run of version 1", "records of version 1"}  # fmt: skip
"""Files of the user and of others, which carry no hash: what is read of them is hashed into identities."""


def flips(base: Path, count: int, rng: random.Random) -> Counter[str]:
    """``count`` flipped bits in each kind of file."""
    from fuzz_readers import READERS, write_all

    from leadbench.core.errors import LeadbenchError

    root, found = write_all(base / "flips"), Counter[str]()
    _seal_models(root)
    for name, reader in READERS.items():
        if reader.reseal or "checked" in name or "version 1" in name:
            continue  # read elsewhere in this list; older runs carried no hashes, and reading them changes them
        path, counts = root / reader.file, Counter[str]()
        whole = path.read_bytes()
        try:
            expected = comparable(reader.read(root))
        except LeadbenchError as exc:
            expected = str(exc)
        for _ in range(count):
            raw = bytearray(whole)
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            path.write_bytes(raw)
            try:
                same = comparable(reader.read(root)) == expected
                counts[
                    "harmless"
                    if same
                    else "another identity"
                    if name in USERS_OWN or "data/" in reader.file
                    else "UNNOTICED"
                ] += 1
            except LeadbenchError as exc:
                counts["harmless" if str(exc) == expected else "refused"] += 1
            path.write_bytes(whole)
        if name == "kept embeddings":
            counts["made anew"] = counts.pop("UNNOTICED", 0)
        found.update(counts)
        found["flips"] += count
        print(f"{name}: {dict(counts)}", flush=True)
    return found


def _seal_models(root: Path) -> None:
    """Cards with their digests, as trainings write them."""
    from leadbench.zoo.files import load_model, save_model

    for path in sorted((root / "models").glob("*.safetensors")):
        save_model(path, *load_model(path))


def main() -> int:
    """Run what is asked for, print counts, exit 1 where something was lost, changed or unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kills", "pairs", "flips", "all"])
    parser.add_argument("--count", type=int, default=20, help="kills of each command; flips: 10 times as many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="commands whose name begins so")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rng, totals = random.Random(options.seed), {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        if options.what in ("flips", "all"):
            totals["flips"] = flips(base, 10 * options.count, rng)
        if options.what != "flips":
            prepare(base)
        if options.what in ("kills", "all"):
            totals["kills"] = kills(base, options.count, rng, options.only)
        if options.what in ("pairs", "all"):
            totals["pairs"] = pairs(base, max(2, options.count // 5))
    print(json.dumps({what: dict(counts) for what, counts in totals.items()}))
    bad = sum(counts[kind] for counts in totals.values() for kind in ("lost or changed", "died", "UNNOTICED"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
