"""A score that is lost has the reason for which it was, and not that of another candidate."""

from collections.abc import Sequence
from typing import Literal, NoReturn

import pytest
from judging import context, judged

from ponder.orchestrator.engine import Prompt, Request
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.types import Candidate, Query, Score
from ponder.verifiers import (
    GenerativeReward,
    ProcessReward,
    Rubric,
    ScalarJudge,
    SelfEvaluation,
    Verifier,
)

TEXTS = ("the answer is alpha\n", "the answer is beta\n", "the answer is alpha, then\n")


class Refusing(SimulatedEngine):
    """Refuses every call by the answer that stands in it."""

    async def complete(self, request: Request) -> NoReturn:
        self.refuse(request.prompt)

    async def read(self, prompt: Prompt) -> NoReturn:
        self.refuse(prompt)

    def refuse(self, prompt: Prompt) -> NoReturn:
        said = " ".join([*(message.content for message in prompt.messages), prompt.text])
        raise EngineRefused(f"no judge knows {'alpha' if 'is alpha' in said else 'beta'}")


class Fussy(Verifier):
    """Raises by the text it judges, each by itself."""

    kind: Literal["fussy"] = "fussy"

    @property
    def is_recorded(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        raise LookupError(candidates[0].text)


@pytest.mark.parametrize(
    "verifier",
    [
        ScalarJudge(),
        ScalarJudge(form="written", votes=2),
        Rubric(items=("It is short.", "It is right.")),
        GenerativeReward(votes=2, responses_a_pass=1),
        SelfEvaluation(),
        SelfEvaluation(form="question"),
        ProcessReward(),
        ProcessReward(card="math-shepherd"),
    ],
    ids=lambda verifier: verifier.name,
)
async def test_each_candidate_has_the_reason_of_its_own_calls(verifier: Verifier) -> None:
    engine = Refusing(SimulatedSpec())
    scores = await judged(verifier, TEXTS, None, context({"generator": engine, "reward": engine}))
    assert [score.value for score in scores] == [None] * 3
    assert ["alpha" in score.detail for score in scores] == [True, False, True]
    assert "no judge knows beta" in scores[1].detail


async def test_a_verifier_that_raises_gives_each_its_own_reason() -> None:
    scores = await judged(Fussy(), TEXTS, None)
    assert [score.detail.partition("raised ")[2] for score in scores] == [f"LookupError: {text}" for text in TEXTS]


async def test_one_verifier_does_not_give_the_reason_of_another() -> None:
    ctx = context({"reward": Refusing(SimulatedSpec()), "other": Refusing(SimulatedSpec())})
    await judged(ProcessReward(engine="other"), TEXTS[:1], None, ctx)
    [score] = await judged(ProcessReward(), TEXTS[1:2], None, ctx)
    assert score.detail == "engine 'reward' gave no judgement: no judge knows beta"
