"""Outcome rewards: one value a response, on a scale that is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest
from judging import context, judged
from reward_engines import Reads, Row, Tells, value_of

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Score, Usage
from ponder.verifiers import OutcomeReward, RewardCard


def read(texts: Sequence[str], rows: Callable[[str], Sequence[Row]], **card: object) -> list[Score]:
    verifier = OutcomeReward(card=RewardCard.model_validate(card))
    return asyncio.run(judged(verifier, texts, None, context({"reward": Reads(rows)})))


def whole(text: str) -> list[Row]:
    return [(1 - value_of(text), value_of(text))]


def test_one_row_is_read_at_the_end_of_the_whole_response() -> None:
    texts = ["9\n\n5", "3", "refuse", "", " \n"]
    scores = read(texts, whole)
    assert [score.value for score in scores] == [0.4, 0.3, None, None, None]
    assert all(score.steps == () and score.scale == "probability" for score in scores)
    assert [score.value for score in read(texts[::-1], whole)][::-1] == [0.4, 0.3, None, None, None]
    assert scores[3].detail == "there is no step to judge" and scores[3].usage == Usage()
    assert read([], whole) == []


def test_the_card_says_which_column_and_what_it_means() -> None:
    assert read(["3"], whole, column=0)[0].value == 0.7
    assert read(["3"], lambda _: [(math.log(3),)], link="sigmoid")[0].value == pytest.approx(0.75, abs=1e-15)
    logits = lambda _: [(0.0, math.log(2), 0.0)]  # noqa: E731
    assert read(["3"], logits, link="softmax", column=1)[0].value == pytest.approx(0.5, abs=1e-15)
    (reward,) = read(["3"], lambda _: [(-7.5,)], scale="reward")
    assert (reward.value, reward.scale) == (-7.5, "reward")


@pytest.mark.parametrize("rows", [[], [(0.5,), (0.5,)], [()], [(1.5,)], [(-0.5,)], [(math.nan,)]])
def test_what_cannot_be_trusted_is_not_a_score(rows: list[Row]) -> None:
    (score,) = read(["3"], lambda _: rows)
    assert score.value is None and score.detail


def test_a_model_that_reads_steps_is_told_to_be_no_judge_of_the_whole() -> None:
    (score,) = read(["3\n4"], lambda _: [(0.5,)] * 4)
    assert score.detail == (
        "one value must be read of a response as a whole, but the model reads 4, at marks of its own; judge its steps "
        "by process_reward, or use a model that reads once"
    )


def test_it_is_told_what_it_costs() -> None:
    ctx = context({"reward": Reads(whole)})
    scores = asyncio.run(judged(OutcomeReward(), ["1", "1", "22"], None, ctx))
    assert Usage.total(score.usage for score in scores[1:]) == ctx._run.ledger.spent
    engines = {"reward": Reads(whole)}
    assert OutcomeReward().bound(engines, 11, 2) == scores[2].usage
    with pytest.raises(UsageError, match="must have an engine that reads as a reward model"):
        OutcomeReward().bound({"reward": Tells()}, 11, 2)


def test_names_tell_apart_what_differs() -> None:
    assert OutcomeReward().name == OutcomeReward(card=RewardCard()).name == "outcome_reward"
    assert OutcomeReward(engine="rm").name == "outcome_reward:rm"
    assert OutcomeReward(card=RewardCard(column=0)).name.startswith("outcome_reward:card-")
