"""Small studies, and visitors who take part in them over HTTP as a browser without scripts would."""

from __future__ import annotations

import http.cookiejar
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvicorn

from leadbench.core.files import write_text_atomic
from leadbench.core.skeleton import HUMANML3D
from leadbench.results.rows import Row
from leadbench.study.answers import Answers
from leadbench.study.order import items_of
from leadbench.study.plan import PARTS, PLAN, Side, Study, StudyPair, StudyPlan, motion_path, motions_digest
from leadbench.study.serve import listen
from leadbench.study.server import compressed, make_app
from leadbench.study.texts import language_file

MLD = Side(row=Row(backbone="mld", steps=50, guidance=7.5), name="MLD, 50 steps")
LEAD = Side(row=Row(backbone="mld", projector="lead", steps=50, guidance=7.5), name="LEAD (MLD), 50 steps")
ABOUT = {"age": ("under-25", "25-34"), "gender": ("woman", "man", "other")}
Rating = Callable[[str, str], tuple[int, int]]
"""Part and item to the ratings of motions A and B."""


def make_study(
    folder: Path,
    pairs: int = 3,
    checks: int = 1,
    seed: int = 0,
    languages: tuple[str, ...] = ("en",),
    frames: int = 8,
) -> Study:
    """A study of made-up motions."""
    rng = np.random.default_rng(seed)
    rest = np.asarray(HUMANML3D.offsets)[None] + np.array([0.0, 0.9, 0.0])
    names = [f"pair-{number + 1:02d}" for number in range(pairs)]
    motions = {
        name: [(rest + 0.1 * rng.standard_normal((frames, 22, 3))).astype(np.float32) for _ in range(2)]
        for name in names
    }
    (folder / "motions").mkdir(parents=True)
    (folder / "languages").mkdir()
    for name, arrays in motions.items():
        for side, joints in enumerate(arrays):
            np.save(motion_path(folder, name, side), joints)
    for language in languages:
        (folder / "languages" / f"{language}.toml").write_bytes(language_file(language).read_bytes())
    plan = StudyPlan(
        dataset="synthetic",
        seed=seed,
        choice="changed",
        candidates=pairs,
        sides=(MLD, LEAD),
        pairs=tuple(
            StudyPair(name=name, sample=name[-2:], caption=f"a person does {name}", change=0.1) for name in names
        ),
        checks=checks,
        demographics=ABOUT,
        languages=languages,
        skeleton="humanml3d",
        fps=20.0,
        motions=motions_digest([joints for arrays in motions.values() for joints in arrays]),
        inputs={"dataset": {"identity": "0" * 8}, "trainings": {}, "weights": {}},
        names={},
        provenance={},
    )
    write_text_atomic(folder / PLAN, plan.model_dump_json())
    return Study(folder)


@contextmanager
def served(study: Study, answers: Answers) -> Iterator[str]:
    """Address of a study that a thread serves, for as long as the block lasts."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(compressed(make_app(study, answers)), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


class Visitor:
    """A browser with its cookies; follows redirects, and knows where it is."""

    def __init__(self, base: str) -> None:
        self.base, self.at, self.page, self.status = base, "/", "", 0
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> Visitor:
        return self._open(urllib.request.Request(self.base + path))

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: object) -> Visitor:
        body = urllib.parse.urlencode(fields).encode()
        return self._open(urllib.request.Request(self.base + path, body, headers or {}))

    def _open(self, request: urllib.request.Request) -> Visitor:
        try:
            with self._opener.open(request, timeout=30) as answer:
                self.status, self.page, url = answer.status, answer.read().decode(), answer.geturl()
        except urllib.error.HTTPError as problem:
            self.status, self.page, url = problem.code, problem.read().decode(), problem.geturl()
        self.at = url[len(self.base) :]
        return self

    @property
    def item(self) -> str:
        return re.findall(r'name="item" value="([^"]+)"', self.page)[0]

    def begin(self, language: str = "en") -> Visitor:
        return self.get("/").post("/begin", agree="yes", language=language)

    def step(self, rating: Rating, about: dict[str, str] | None = None) -> Visitor:
        """Answer the page that is shown."""
        if self.at == "/about":
            return self.post("/about", **(about or {}))
        if self.at.startswith("/part/"):
            return self.get(self.at.replace("part", "rate") + "/1")
        if self.at.startswith("/rate/"):
            asked = re.search(r"choose (\d) for motion A and (\d) for motion B", self.page)
            a, b = asked.groups() if asked else rating(self.at.split("/")[2], self.item)
            return self.post(self.at, item=self.item, a=a, b=b)
        if self.at == "/finish":
            return self.post("/finish")
        raise AssertionError(f"lost at {self.at}")

    def complete(self, rating: Rating, about: dict[str, str] | None = None) -> Visitor:
        """From the first page to the last."""
        self.begin()
        while self.at != "/done":
            self.step(rating, about)
        return self


def at_random(seed: int) -> Rating:
    """Ratings that are drawn."""
    draws = random.Random(seed)
    return lambda part, item: (draws.randint(1, 5), draws.randint(1, 5))


def answered(study: Study, people: int, seed: int = 0) -> None:
    """Ratings of people who find the second row better, by about 1.2 in realism and 0.3 in relevance."""
    rng = np.random.default_rng(seed)
    answers = Answers(study.answers_path, study.plan.identity)
    for number in range(people):
        person = f"{number:064x}"
        answers.begin(person, "en")
        answers.tell(person, {"age": "25-34", "gender": "woman"} if number % 2 else {})
        for part in PARTS:
            for item in items_of(study.plan, person)[part]:
                gain = 1.2 if part == "realism" else 0.3
                sides = np.clip(np.rint(rng.normal([2.6, 2.6 + gain], 0.6)), 1, 5).astype(int)
                a, b = item.wanted or (sides[::-1] if item.swapped else sides)
                answers.show(person, part, item.name)
                answers.rate(person, part, item.name, int(a), int(b))
        answers.finish(person)
    answers.close()
