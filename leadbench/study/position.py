"""Where a participant is: one address at each moment, whatever was reloaded, sent twice or gone back to."""

from __future__ import annotations

from dataclasses import dataclass

from leadbench.study.answers import Participant
from leadbench.study.order import Item, items_of
from leadbench.study.plan import PARTS, StudyPlan


@dataclass(frozen=True)
class Position:
    """How far a participant is.

    Attributes:
        participant: what they have sent.
        items: pages of each part.
        asked: whether they were asked about themselves, or the study asks nothing.
    """

    participant: Participant
    items: dict[str, tuple[Item, ...]]
    asked: bool

    @classmethod
    def of(cls, plan: StudyPlan, participant: Participant) -> Position:
        """Of what a participant has sent."""
        return cls(participant, items_of(plan, participant.id), participant.about is not None or not plan.demographics)

    def answered(self, part: str) -> int:
        """Pages of a part that are answered, from its first one on without a gap."""
        given = [(part, item.name) in self.participant.answers for item in self.items[part]]
        return given.index(False) if False in given else len(given)

    @property
    def part(self) -> str | None:
        """The part that is being answered; None: all are."""
        return next((part for part in PARTS if self.answered(part) < len(self.items[part])), None)

    def begun(self, part: str) -> bool:
        """Whether a page of the part was shown."""
        return any(shown == part for shown, _ in self.participant.shown)

    @property
    def address(self) -> str:
        """Where the participant goes on."""
        if self.participant.finished is not None:
            return "/done"
        if not self.asked:
            return "/about"
        part = self.part
        if part is None:
            return "/finish"
        return f"/rate/{part}/{self.answered(part) + 1}" if self.begun(part) else f"/part/{part}"

    def may_rate(self, part: str, number: int) -> bool:
        """Whether a page may be seen, and answered or changed: not ahead of the others, and not in a part that is over.

        A part is over once the next one was shown: nobody rates realism again with the texts in mind.
        """
        if self.participant.finished is not None or not self.asked or part not in self.items:
            return False
        if not 1 <= number <= min(self.answered(part) + 1, len(self.items[part])):
            return False
        place = PARTS.index(part)
        before = all(self.answered(other) == len(self.items[other]) for other in PARTS[:place])
        return before and not any(self.begun(other) for other in PARTS[place + 1 :])
