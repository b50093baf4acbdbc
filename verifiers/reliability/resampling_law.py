"""What drawing until a verifier accepts can reach, when the verifier errs: the closed form for tasks that are alike."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...orchestrator.errors import UsageError


@dataclass(frozen=True, slots=True)
class ResamplingLaw:
    """Accuracy and cost of drawing until an imperfect verifier accepts (the setting of Stroebl et al. 2024).

    Draws are independent; so is what the verifier says of them, given whether they are right. The paper has the limit
    of endlessly many draws, `ceiling`; the law of finitely many follows from the geometric series. Drawing all of them
    and taking an accepted one at random is as accurate, at the cost of all draws.

    Args:
        correct: chance that a draw is right.
        accepts_correct: chance that the verifier accepts a right draw: its completeness.
        accepts_wrong: chance that it accepts a wrong one: one less its soundness.

    >>> law = ResamplingLaw(correct=0.3, accepts_correct=0.9, accepts_wrong=0.2)
    >>> round(law.accuracy(5), 4), round(law.ceiling, 4), round(law.draws(5), 4)
    (0.6151, 0.6585, 2.2647)
    """

    correct: float
    accepts_correct: float
    accepts_wrong: float

    def __post_init__(self) -> None:
        for each in fields(self):
            if not 0 <= (value := getattr(self, each.name)) <= 1:
                raise UsageError(f"{each.name} must be a probability, got {value!r}; give a share between 0 and 1")

    @property
    def accepted_right(self) -> float:
        """The chance that a draw is right and accepted."""
        return self.correct * self.accepts_correct

    @property
    def accepted_wrong(self) -> float:
        """The chance that a draw is wrong and accepted."""
        return (1 - self.correct) * self.accepts_wrong

    @property
    def accepts(self) -> float:
        """The chance that a draw is accepted."""
        return self.accepted_right + self.accepted_wrong

    @property
    def ceiling(self) -> float:
        """The verifier's precision: no number of draws does better; `correct` where nothing is ever accepted."""
        return self.accepted_right / self.accepts if self.accepts else self.correct

    @property
    def rejected(self) -> float:
        """The chance that a rejected draw is right: the fallback's accuracy where rejected draws look alike."""
        refused = self.correct * (1 - self.accepts_correct)
        return refused / (1 - self.accepts) if refused else 0.0

    def accuracy(self, tries: int, fallback: float | None = None) -> float:
        """The chance that the answer is right after at most `tries` draws.

        Args:
            tries: most draws, at least 1.
            fallback: the chance that the answer is right where none was accepted; None takes a rejected draw.
        """
        exhausted = (1 - self.accepts) ** _checked(tries)
        return self.ceiling * (1 - exhausted) + exhausted * (self.rejected if fallback is None else fallback)

    def draws(self, tries: int) -> float:
        """The mean number of draws, of at most `tries`, drawn one after the other."""
        return (1 - (1 - self.accepts) ** _checked(tries)) / self.accepts if self.accepts else float(tries)


def _checked(tries: int) -> int:
    if tries < 1:
        raise UsageError(f"tries must be at least 1, got {tries}; one draw is the least there is")
    return tries
