"""A learned judge of every step of an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from ..orchestrator.errors import UsageError
from ..orchestrator.types import Candidate, Query, Score
from .rewards.aggregate import Aggregate, aggregate
from .rewards.reward_cards import AnyCard, called, card_of
from .rewards.reward_model import RewardModel

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class ProcessReward(RewardModel):
    """The step scores of a process reward model, and their aggregate.

    The model's card says how the text is laid out and read. Steps are what is not blank between the card's separators;
    the marks that show the model where a step ends are put in by the card, and their text is taken out of the
    response. There must be one value a step: where there are more or fewer (a mark was lost, or the model's tokenizer
    merges it) the attempt is not judged, ``Score(None)``. Nor is one without a step, or with more than the card's most.
    A candidate's score keeps its `steps`.

    Evidence: the question and the text of the attempt, up to each step; never what comes after it.
    When to trust it: on problems like those it was trained on. It rewards what looks right, so the best of very many
        attempts, or of a search that follows it, is better at pleasing it than at being right: compare with votes.
    Cost: for a card that reads rows, one verifier call an attempt, of the whole text; vLLM reads it afresh for every
        longer attempt. For one that tells labels, one decode step a step, after a text that the prefix cache serves;
        steps judged before cost nothing again.
    Source: Lightman et al. 2023 (arXiv 2305.20050); Wang et al. 2024 (arXiv 2312.08935); Zhang et al. 2025 (arXiv
        2501.07301).
    Departs: separators at the end and blank steps are left out, where common code scores an empty step; a value is
        taken by its place, where Qwen's example drops those that are zero; nothing is cut to fit the context, as a
        model that has lost marks or the question tells nothing.

    Args:
        engine: the reward model's name among the pipeline's engines.
        card: the name of a built-in card, or a table, see `RewardCard`.
        aggregate: how step scores make one score; None as the card says.
    """

    kind: Literal["process_reward"] = "process_reward"
    card: AnyCard = "abacus"
    aggregate: Aggregate | None = None

    @model_validator(mode="after")
    def _has_steps(self) -> ProcessReward:
        if card_of(self.card).separator is None:
            raise UsageError(
                f"the card of {self.kind} must read steps, but {called(self.card)} reads a response as a whole; "
                "use outcome_reward, or set separator in the card"
            )
        return self

    @property
    def name(self) -> str:
        """The kind, then the engine, the card and the aggregate where they are not the default."""
        return super().name + ("" if self._aggregate == card_of(self.card).aggregate else f":{self._aggregate}")

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        told = await self.read(query, [each.text for each in candidates], ctx)
        return [replace(score, value=aggregate(score.steps, self._aggregate)) for score in told]

    @property
    def _aggregate(self) -> Aggregate:
        return self.aggregate or card_of(self.card).aggregate
