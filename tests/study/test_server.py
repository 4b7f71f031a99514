"""The study's pages: whatever a participant does, each answer is there once, and nobody reaches another's."""

from __future__ import annotations

import re
import threading

from studies import Visitor, at_random

from leadbench.study.answers import Answers, Participant
from leadbench.study.order import items_of
from leadbench.study.plan import Study


def people(study: Study) -> list[Participant]:
    answers = Answers(study.answers_path, study.plan.identity)
    found = answers.participants()
    answers.close()
    return found


def test_a_participant_answers_everything_once(served: str, study: Study) -> None:
    sent: dict[tuple[str, str], tuple[int, int]] = {}
    draws = at_random(0)

    def rating(part: str, item: str) -> tuple[int, int]:
        sent[part, item] = draws(part, item)
        return sent[part, item]

    visitor = Visitor(served).complete(rating, {"age": "25-34", "gender": "", "shoe": "44"})
    (person,) = people(study)
    assert person.finished is not None
    assert person.about == {"age": "25-34"}
    assert person.id[:8] in visitor.page
    checks = {key: value for key, value in person.answers.items() if key[1].startswith("check")}
    assert len(checks) == 2
    assert {key: value for key, value in person.answers.items() if key not in checks} == sent
    items = items_of(study.plan, person.id)
    wanted = {(part, item.name): item.wanted for part in items for item in items[part] if item.wanted}
    assert checks == wanted


def test_no_text_and_no_name_is_seen_before_its_time(served: str, study: Study) -> None:
    visitor = Visitor(served).begin()
    while visitor.at != "/done":
        if "/realism" in visitor.at or visitor.at == "/about":
            assert "does pair" not in visitor.page
        if visitor.at.startswith("/rate/relevance"):
            assert "a person does pair" in visitor.page
        assert not re.search(r"MLD|LEAD|mld|lead\b", visitor.page), visitor.at
        visitor.step(at_random(1))


def test_reloading_sending_twice_and_going_back_change_nothing_else(served: str, study: Study) -> None:
    visitor = Visitor(served).begin().post("/begin", agree="yes", language="de")
    assert len(people(study)) == 1
    assert people(study)[0].language == "en"
    visitor.post("/about", age="25-34").get("/rate/realism/1")
    first = visitor.item
    for _ in range(3):  # clicked three times: the second and third are of a page that is over
        visitor.post("/rate/realism/1", item=first, a=2, b=3)
    assert people(study)[0].answers == {("realism", first): (2, 3)}
    visitor.get("/rate/realism/1")
    assert visitor.page.count("checked") == 2
    visitor.post("/rate/realism/1", item=first, a=5, b=3)
    assert people(study)[0].answers == {("realism", first): (5, 3)}
    assert visitor.at == "/rate/realism/2"


def test_nobody_jumps_ahead_or_back_to_a_part_that_is_over(served: str, study: Study) -> None:
    visitor = Visitor(served).begin()
    for path in ("/rate/realism/1", "/finish", "/done", "/part/relevance"):
        assert visitor.get(path).at == "/about"
    visitor.post("/about")
    assert visitor.get("/rate/realism/3").at == "/part/realism"
    assert visitor.get("/rate/relevance/1").at == "/part/realism"
    assert visitor.get("/rate/nonsense/1").at == "/part/realism"
    while not visitor.at.startswith("/rate/relevance"):
        visitor.step(at_random(0))
    before = people(study)[0].answers
    assert visitor.get("/rate/realism/1").at == "/rate/relevance/1"
    item = items_of(study.plan, people(study)[0].id)["realism"][0].name
    visitor.post("/rate/realism/1", item=item, a=1, b=1)
    assert people(study)[0].answers == before


def test_what_is_sent_is_checked(served: str, study: Study) -> None:
    visitor = Visitor(served).begin().post("/about").get("/rate/realism/1")
    item = visitor.item
    for a, b in (("", 3), (0, 3), (6, 3), ("3; drop table", 3), (3, "-1")):
        visitor.post("/rate/realism/1", item=item, a=a, b=b)
        assert visitor.status == 400
        assert "Please rate both motions." in visitor.page
    visitor.post("/rate/realism/1", item="pair-99", a=1, b=1)
    assert people(study)[0].answers == {}
    assert visitor.post("/rate/realism/1", item=item, a=1, b="1" * 20_000).status == 413
    elsewhere = {"Origin": "http://evil.example"}
    assert visitor.post("/rate/realism/1", elsewhere, item=item, a=1, b=1).status == 403
    assert visitor.post("/rate/realism/1", {"Sec-Fetch-Site": "cross-site"}, item=item, a=1, b=1).status == 403
    assert people(study)[0].answers == {}
    assert visitor.get("/nothing").status == 404


def test_nothing_changes_after_the_end(served: str, study: Study) -> None:
    visitor = Visitor(served).complete(at_random(0))
    before = people(study)
    item = items_of(study.plan, before[0].id)["relevance"][0].name
    visitor.post("/rate/relevance/1", item=item, a=1, b=1).post("/about", age="25-34").post("/finish")
    assert visitor.at == "/done"
    assert visitor.get("/").at == "/done"
    assert people(study) == before


def test_nobody_reads_or_changes_anothers_answers(served: str, study: Study) -> None:
    first = Visitor(served).begin().post("/about").get("/rate/realism/1")
    item = first.item
    first.post("/rate/realism/1", item=item, a=4, b=4)
    other = Visitor(served)
    assert other.get("/rate/realism/1").at == "/"
    (known,) = people(study)
    assert (
        other.post("/rate/realism/1", {"Cookie": f"study-{study.plan.identity[:8]}={known.id}"}, item=item, a=1, b=1).at
        == "/"
    )
    assert people(study) == [known]


def test_without_agreement_or_cookies_nobody_takes_part(served: str, study: Study) -> None:
    visitor = Visitor(served).get("/").post("/begin", language="en")
    assert visitor.status == 400
    assert "confirm" in visitor.page
    assert Visitor(served).post("/begin", agree="yes", language="en").status == 400
    assert people(study) == []


def test_languages(served: str, study: Study) -> None:
    visitor = Visitor(served)
    assert "Bevor Sie beginnen" in visitor.get("/?language=de").page
    assert '<html lang="de">' in visitor.page
    visitor.post("/begin", agree="yes", language="de")
    assert "Keine Angabe" in visitor.page
    assert Visitor(served).get("/?language=xx").page.count("Before you begin") == 1


def test_pages_tell_browsers_to_be_careful(served: str) -> None:
    import urllib.request

    with urllib.request.urlopen(served) as answer:
        headers = answer.headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=lax" in headers["Set-Cookie"]


def test_participants_at_once_lose_nothing(served: str, study: Study) -> None:
    problems: list[BaseException] = []

    def take(seed: int) -> None:
        try:
            Visitor(served).complete(at_random(seed))
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=take, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    found = people(study)
    assert len(found) == 12
    assert all(person.finished and len(person.answers) == 8 for person in found)
