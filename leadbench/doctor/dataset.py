"""``leadbench doctor --dataset``: files, counts, statistics, and the ground truth scored against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from leadbench.core.config import T2MConfig
from leadbench.core.contracts import Evaluator
from leadbench.core.errors import LeadbenchError
from leadbench.core.settings import settings
from leadbench.data.check import Inspection, check_folder
from leadbench.data.format import HUMANML3D_NAN
from leadbench.doctor.diagnosis import Diagnosis
from leadbench.plugins.manager import load_plugins
from leadbench.tasks.shared.chunks import chunked_work
from leadbench.tasks.shared.scoring import make_reference, score
from leadbench.tasks.shared.selftest import PUBLISHED_IDS, run_self_test
from leadbench.zoo.assets import Choice, Opened, locate_dataset, open_assets

PUBLISHED_COUNTS = {
    # motions and captions without mirrored ones; HumanML3D's ids come twice, mirrored with the prefix M
    "humanml3d": {"motions": 14_616, "captions": 44_970, "ids": 29_228},
    "kit": {"motions": 3_911, "captions": 6_278},
}
_NOTES = {"kit": "the release holds 6,278 captions, the paper counts 6,353"}
Reporter = Callable[[str, int, int], None]


def examine_dataset(choice: Choice, evaluator: str, report: Reporter) -> list[Diagnosis]:
    """Entries on a dataset and on an evaluator of it; those with a ``fix`` are problems.

    Raises:
        LeadbenchError: the dataset cannot be found or opened at all.
    """
    name, root = locate_dataset(choice, load_plugins(choice.plugins))
    report("files", 0, 3)
    found = check_folder(root)
    known = {f"new_joint_vecs/{bad}.npy" for bad in HUMANML3D_NAN} if name == "humanml3d" else set()
    diagnoses = [*_files(root, found, known, published=name in PUBLISHED_COUNTS), *_counts(name, found)]
    report("evaluator", 1, 3)
    try:
        opened = open_assets(choice)
        judge = opened.plugins.evaluator(evaluator, opened.models)
    except LeadbenchError as exc:
        return [*diagnoses, Diagnosis("evaluator", "cannot be opened", str(exc))]
    diagnoses.append(Diagnosis("evaluator", f"{judge.name}, identity {judge.identity[:12]}"))
    diagnoses += [Diagnosis("weights", str(file)) for file in opened.models.used.values()]
    report("real motions", 2, 3)
    diagnoses += _self_test(opened, judge)
    report("real motions", 3, 3)
    return diagnoses


def _files(root: Path, found: Inspection, known: set[str], published: bool) -> Iterator[Diagnosis]:
    """What is wrong in the folder, by kind; ``known`` places, and what is harmless in ``published`` data, are so."""
    yield Diagnosis("folder", f"{root}: {found.motions:,} motions, {found.frames:,} frames")
    problems = [problem for problem in found.problems if problem.where not in known]
    if published:
        harmless = [problem for problem in problems if problem.harmless]
        for kind in dict.fromkeys(problem.kind for problem in harmless):
            alike = [problem for problem in harmless if problem.kind == kind]
            more = f", and {len(alike) - 1} more such" if len(alike) > 1 else ""
            yield Diagnosis("left out", f"{alike[0].where}: {alike[0].what}{more}; the releases have such")
        problems = [problem for problem in problems if not problem.harmless]
    for kind in dict.fromkeys(problem.kind for problem in problems):
        members = [problem for problem in problems if problem.kind == kind]
        first = members[0]
        yield Diagnosis(kind, f"{len(members)} problems, first: {first.where}: {first.what}", first.fix)
    if not problems:
        yield Diagnosis("content", "every file, caption and statistic is as it should be")


def _counts(name: str, found: Inspection) -> Iterator[Diagnosis]:
    expected = PUBLISHED_COUNTS.get(name)
    if expected is None:
        return
    counted = {"motions": found.plain_motions, "captions": found.plain_captions, "ids": sum(found.ids.values())}
    wanted = dict(expected)
    wanted |= {f"ids of {split}": count for split, count in PUBLISHED_IDS.get(name, {}).items()}
    counted |= {f"ids of {split}": count for split, count in found.ids.items()}
    for what, count in wanted.items():
        fix = "" if counted[what] == count else f"{count:,} are published: unpack or process the dataset again"
        note = f" ({_NOTES[name]})" if what == "captions" and name in _NOTES else ""
        yield Diagnosis(what, f"{counted[what]:,}{note}", fix)


def _self_test(opened: Opened, evaluator: Evaluator) -> Iterator[Diagnosis]:
    config = T2MConfig()
    try:
        samples, report = opened.dataset.load(config.split, skip_bad=True)
        chunks = chunked_work(config.chunk, evaluator)
        reference = make_reference(evaluator, samples, config, 0, chunks)
    except LeadbenchError as exc:
        yield Diagnosis("real motions", "cannot be scored", str(exc))
        return
    measured = score(reference.as_real, reference.motion, config)
    names = {"r_precision_3": "R@3", "fid": "FID", "mm_dist": "MM-Dist", "diversity": "Diversity"}
    shown = ", ".join(f"{names[k]} {v:.3f}" for k, v in measured.items() if k in names and v is not None)
    yield Diagnosis("real motions", f"{len(samples):,} samples: {shown}")
    yield from (Diagnosis("real motions", note) for note in report.notes)
    tested = run_self_test(opened.dataset, evaluator, samples, measured, settings().self_test)
    if tested is None:
        yield Diagnosis("self-test", "nobody published what real motions must score here")
        return
    for check in tested.checks:
        yield Diagnosis("self-test", f"{check} ({tested.source})", "" if check.passed else "see the likely causes")
    for number, cause in enumerate(tested.causes, 1):
        yield Diagnosis(f"likely cause {number}", cause, "fix it, and run this again")
