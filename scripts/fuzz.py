"""Changed files for every reader, as many as one likes: ``python scripts/fuzz.py --inputs 100000``.

Counts what is neither an answer nor one of leadbench's errors: tracebacks, more than 20 seconds, memory over ten times
the file and 500 MB, files opened for writing elsewhere. Every finding is kept, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from types import FrameType

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

SECONDS = 20
SPARE = 500 << 20


@dataclass(frozen=True)
class Finding:
    """What went wrong: its kind, the reader, the seed, and the last lines of what happened."""

    kind: str
    reader: str
    seed: int
    what: str


class SlowError(Exception):
    """A reader took longer than it may."""


class Workplace:
    """A folder of whole files in which one at a time is changed.

    Args:
        root: folder of this process.
        keep: where files with findings are put.
    """

    def __init__(self, root: Path, keep: Path) -> None:
        from fuzz_readers import READERS, write_all

        self.root, self.keep, self.readers = write_all(root / "files"), keep, READERS
        self.others = [(self.root / r.file).read_bytes() for r in READERS.values()]
        self.written: list[str] = []
        sys.addaudithook(self._watch)
        signal.signal(signal.SIGALRM, self._slow)

    def try_one(self, name: str, seed: int) -> tuple[str, list[Finding]]:
        """Change a reader's file and read it; returns ``read`` or ``refused``, and what went wrong."""
        from fuzz_mutations import mutated
        from fuzz_readers import reseal

        from leadbench.core.errors import LeadbenchError

        reader, rng = self.readers[name], Random(f"{name} {seed}")
        path = self.root / reader.file
        before = {p: p.read_bytes() for p in {path, *path.parent.glob("*.json*")}}
        content = mutated(before[path], rng, self.others)
        path.write_bytes(content)
        if reader.reseal:
            reseal(self.root)
        self.written.clear()
        outcome, found, peak = "read", [], _peak()
        signal.alarm(SECONDS)
        try:
            reader.read(self.root)
        except LeadbenchError as exc:
            outcome = "refused"
            if not str(exc).strip():
                found.append(Finding("silent", name, seed, type(exc).__name__))
        except SlowError:
            found.append(Finding("slow", name, seed, f"more than {SECONDS} s"))
        except BaseException:  # whatever else a reader raises is what is looked for
            found.append(Finding("traceback", name, seed, traceback.format_exc()[-600:]))
        finally:
            signal.alarm(0)
            for p, whole in before.items():
                p.write_bytes(whole)
        if _peak() - peak > 10 * len(content) + SPARE:
            found.append(Finding("memory", name, seed, f"{(_peak() - peak) >> 20} MiB for {len(content)} bytes"))
        found += [Finding("elsewhere", name, seed, place) for place in self.written]
        for finding in found:
            (self.keep / f"{finding.kind}-{name.replace(' ', '_').replace(',', '')}-{seed}").write_bytes(content)
        return outcome, found

    def _watch(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        mode, flags = arguments[1], arguments[2]
        writing = (isinstance(mode, str) and set(mode) & set("wax+")) or (
            isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        )
        place = os.path.abspath(os.fsdecode(arguments[0]))
        if writing and not place.startswith((str(self.root.parent), str(self.keep), "/dev/", tempfile.gettempdir())):
            self.written.append(place)

    @staticmethod
    def _slow(number: int, frame: FrameType | None) -> None:
        raise SlowError


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(arguments: tuple[int, int, int, Path]) -> tuple[Counter[str], list[Finding]]:
    """Every ``step``-th input from ``start`` on."""
    warnings.simplefilter("ignore")
    start, stop, step, keep = arguments
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder), keep)
        names = list(place.readers)
        for seed in range(start, stop, step):
            name = names[seed % len(names)]
            outcome, found = place.try_one(name, seed)
            counts[f"{name}\t{outcome}"] += 1
            findings += found
    return counts, findings


def chunks(inputs: int, first: int, keep: Path, size: int = 2000) -> Iterator[tuple[int, int, int, Path]]:
    """Pieces of work, each in a fresh process, so that one reader's memory does not hide another's."""
    for start in range(first, first + inputs, size):
        yield start, min(start + size, first + inputs), 1, keep


def main() -> int:
    """Run, print counts by reader and every finding, exit 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for files with findings")
    options = parser.parse_args()
    options.keep = options.keep.resolve()
    options.keep.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs, maxtasksperchild=1) as pool:
        for some, found in pool.imap_unordered(work, chunks(options.inputs, options.first, options.keep)):
            counts.update(some)
            findings += found
            print(f"{sum(counts.values())} inputs, {len(findings)} findings", file=sys.stderr, flush=True)
    print(summary(counts, findings, time.monotonic() - began))
    (options.keep / "findings.json").write_text(json.dumps([asdict(f) for f in findings], indent=1))
    return 1 if findings else 0


def summary(counts: Mapping[str, int], findings: list[Finding], seconds: float) -> str:
    """Counts by reader, then what was found."""
    kinds = Counter(finding.kind for finding in findings)
    lines = [f"{sum(counts.values())} inputs in {seconds:.0f} s"]
    lines += [f"{kind}: {kinds[kind]}" for kind in ("traceback", "slow", "memory", "elsewhere", "silent")]
    for name in dict.fromkeys(key.partition("\t")[0] for key in sorted(counts)):
        lines.append(
            f"{name}: {counts.get(f'{name}{chr(9)}read', 0)} read, {counts.get(f'{name}{chr(9)}refused', 0)} refused"
        )
    lines += [f"{f.kind}, {f.reader}, seed {f.seed}: {f.what.strip().splitlines()[-1][:200]}" for f in findings[:40]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
