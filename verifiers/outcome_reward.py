"""A learned judge of an attempt as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from ..orchestrator.errors import UsageError
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale
from .rewards.reward_cards import AnyCard, called, card_of
from .rewards.reward_model import RewardModel

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class OutcomeReward(RewardModel):
    """What a reward model gives the whole response: the value of a sequence classifier at its end.

    Any model that vLLM classifies with will do, of one label (a reward, or one through a sigmoid) or of several (the
    chance of the card's column). An empty response is not judged: ``Score(None)``.

    Evidence: the question and the whole text of the attempt.
    When to trust it: on answers like those it was trained to compare. Rewards of different questions are not
        comparable, and of very many attempts the best pleases it more than it is right.
    Cost: one verifier call an attempt, of the whole text.
    Source: Cobbe et al. 2021 (arXiv 2110.14168), verifiers of whole solutions.
    Departs: any classifier is read, at the end of the response alone; the paper trains one that is read at every token.

    Args:
        engine: the reward model's name among the pipeline's engines.
        card: the name of a built-in card, or a table without a separator, see `RewardCard`; its ``scale`` says whether
            values are probabilities (then one outside [0, 1] is not believed) or rewards.
    """

    kind: Literal["outcome_reward"] = "outcome_reward"
    card: AnyCard = "classifier"

    @model_validator(mode="after")
    def _is_whole(self) -> OutcomeReward:
        if card_of(self.card).separator is not None:
            raise UsageError(
                f"the card of {self.kind} must read a response as a whole, but {called(self.card)} reads steps; "
                "use process_reward, or a card without a separator"
            )
        return self

    @property
    def score_scale(self) -> Scale:
        return card_of(self.card).scale

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        told = await self.read(query, [each.text for each in candidates], ctx)
        return [replace(score, steps=(), scale=self.score_scale) for score in told]
