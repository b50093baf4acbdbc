"""What a request changes in a strategy, and that the strategy is whole afterwards."""

from typing import Literal, Self

import pytest
from pydantic import model_validator

from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.server.overrides import as_asked
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.wire import ChatRequest
from ponder.orchestrator.strategy import Strategy
from ponder.strategies import BudgetForcing, Cascade, Sample, TreeOfThoughts
from ponder.testing.scene import play
from ponder.verifiers import ExactMatch

FORCED = BudgetForcing(thinking_tokens=60, max_tokens=120, end_of_thinking="", num_ignore=2)
PROPOSED = TreeOfThoughts(n=4, states=2, evaluate="vote", generate="propose", leaf="zzz", max_tokens=60, max_steps=4)


class Picky(Sample):
    """Draws no fewer than ten tokens."""

    kind: Literal["picky"] = "picky"  # type: ignore[assignment]

    @model_validator(mode="after")
    def _is_long(self) -> Self:
        if self.max_tokens < 10:
            raise ValueError("max_tokens must be at least 10; raise it")
        return self


def changed(strategy: Strategy, **asked: object) -> Strategy:
    request = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "?"}], **asked})
    return as_asked(Pipeline.series(strategy), request).nodes[0].strategy


@pytest.mark.parametrize("strategy", [FORCED, PROPOSED, Sample(max_tokens=60)], ids=lambda strategy: strategy.kind)
@pytest.mark.parametrize("most", [1, 10, 25])
async def test_an_answer_has_no_more_tokens_than_the_request_allows(strategy: Strategy, most: int) -> None:
    candidates = (await play(changed(strategy, max_tokens=most))).result.candidates
    assert candidates
    assert all(each.generated_tokens <= most for each in candidates)
    if strategy is PROPOSED:
        assert {len(each.path_tokens) for each in candidates} <= set(range(1, most + 1))
        assert all(each.finish.is_terminal for each in candidates)


def test_a_cap_keeps_knobs_that_belong_together() -> None:
    cut = changed(FORCED, max_tokens=10)
    assert isinstance(cut, BudgetForcing)
    assert (cut.max_tokens, cut.thinking_tokens) == (10, 10)
    assert changed(FORCED, max_tokens=100) == FORCED.model_copy(update={"max_tokens": 100})
    assert changed(FORCED, max_tokens=5000) == FORCED


def test_parts_are_capped_each() -> None:
    whole = Cascade(stages=(Sample(), FORCED), verifier=ExactMatch(), thresholds=(1.0,))
    cut = changed(whole, max_completion_tokens=10, stop="x")
    assert isinstance(cut, Cascade)
    assert [stage.max_tokens for stage in cut.stages] == [10, 10]  # type: ignore[attr-defined]
    assert cut.stages[1].thinking_tokens == 10  # type: ignore[attr-defined]


def test_a_request_that_a_strategy_cannot_follow_is_refused() -> None:
    assert changed(Picky(), max_tokens=10).max_tokens == 10  # type: ignore[attr-defined]
    with pytest.raises(Refusal, match=r"'picky', changed as asked, is not valid: .*at least 10") as caught:
        changed(Picky(), max_tokens=9)
    assert caught.value.status == 400
