"""What verifiers that read with a reward model have in common: whom they ask, and each thing asked once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...orchestrator.draw import ONE_TOKEN, Ask
from ...orchestrator.engine import Completion, Engine, Prompt, Reading
from ...orchestrator.errors import UsageError
from ...orchestrator.types import Candidate, Finish, Query, Score, Usage
from ...orchestrator.verifier import Verifier
from ..asked_engine import asked_engine
from ..shared_cost import shares
from .reward_card import RewardCard
from .reward_cards import AnyCard, card_of, name_of

if TYPE_CHECKING:
    from ...orchestrator.judging import Judging

DEFAULT_ENGINE = "reward"
Told = Reading | Completion | None


class RewardModel(Verifier):
    """A verifier that reads with a reward model, as its card says.

    Args:
        engine: the reward model's name among the pipeline's engines.
        card: the name of a built-in card, or a table, see `RewardCard`.
    """

    engine: Annotated[str, Field(min_length=1)] = DEFAULT_ENGINE
    card: AnyCard

    @property
    def name(self) -> str:
        """The kind, then the engine and the card where they are not the default."""
        engine = "" if self.engine == DEFAULT_ENGINE else f":{self.engine}"
        card = name_of(self.card)
        return self.kind + engine + ("" if card == type(self).model_fields["card"].default else f":{card}")

    def engine_names(self) -> tuple[str, ...]:
        return (self.engine,)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        return card_of(self.card).bound(self._source(engines).meter, prompt_tokens, completion_tokens)

    def least(self, engines: Mapping[str, Engine], prompt_tokens: int) -> Usage:
        """Nothing: a response without a step is not read."""
        return Usage()

    async def read(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Score]:
        """Of each text the scores of its steps, the last as its value, or why there are none; and what it cost.

        What is asked of several texts, such as a step they share, is asked once, and they share its cost.
        """
        card = card_of(self.card)
        steps = [card.steps(text) for text in texts]
        prompts = [
            card.prompts(query, each, text) if 0 < len(each) <= card.most_steps else ()
            for each, text in zip(steps, texts, strict=True)
        ]
        told = await self._told(query, list(dict.fromkeys(prompt for group in prompts for prompt in group)), ctx)
        before = card.rows_before(query)
        found = [
            _score(card, len(each), [told[prompt] for prompt in group], before)
            or ctx.unanswered(self.engine, asked=group)
            for each, group in zip(steps, prompts, strict=True)
        ]
        return [replace(score, usage=cost) for score, cost in zip(found, _costs(texts, prompts, told), strict=True)]

    async def _told(self, query: Query, prompts: Sequence[Prompt], ctx: Judging) -> dict[Prompt, Told]:
        """What the engine tells of each prompt; None of one that is lost."""
        labels = card_of(self.card).labels
        if labels is None:
            return dict(zip(prompts, await ctx.read(prompts, self.engine), strict=True))
        asks = []
        for prompt in prompts:
            after = Candidate((), prompt.text, Finish.STEP) if prompt.text else None
            asked = query.model_copy(update={"messages": prompt.messages})
            asks.append(Ask(asked, ONE_TOKEN, 1, self.engine, after))
        return dict(zip(prompts, await ctx.classify(asks, labels), strict=True))

    def _source(self, engines: Mapping[str, Engine]) -> Engine:
        """The engine to read with.

        Raises:
            UsageError: there is none of that name, or it cannot do what the card needs.
        """
        source = asked_engine(self, engines, self.engine)
        card, can = card_of(self.card), source.capabilities
        is_told = card.labels is not None
        continues = is_told and card.layout != "turns"
        if not (can.labels if is_told else can.read) or (continues and not can.continue_prefix):
            what = "tells the chance of a label" if is_told else "reads as a reward model"
            runner, other = ("generate", "reads rows") if is_told else ("pooling", "tells labels")
            raise UsageError(
                f"{self.kind} must have an engine that {what}{' after a text it continues' if continues else ''}, but "
                f"{self.engine!r} does not; use vLLM with runner = {runner!r}, or a card that {other}"
            )
        return source


def _score(card: RewardCard, count: int, told: Sequence[Told], before: int) -> Score | None:
    """The scores of `count` steps in what was told of them; None where something is lost."""
    if not count:
        return Score(None, detail="there is no step to judge")
    if count > card.most_steps:
        return Score(None, detail=f"at most {card.most_steps} steps are judged, but there are {count}")
    if None in told:
        return None
    values = [value for each in told for value in _values(card, each, before)]
    if len(values) != count:
        return Score(None, detail=_misread(card, count, len(values)))
    steps = tuple(value for value in values if value is not None)
    if len(steps) != count:
        missing = f"a row read has no column {card.column}"
        return Score(None, detail="neither label can follow a step" if card.labels else missing)
    if card.scale == "probability" and not all(0 <= step <= 1 for step in steps):
        return Score(None, detail="a value read is not in [0, 1]; set the card's link where the model gives logits")
    return Score(steps[-1], steps)


def _misread(card: RewardCard, count: int, values: int) -> str:
    """What it means that the model does not tell one value a step, and what to do."""
    if card.separator is None:
        problem = f"one value must be read of a response as a whole, but the model reads {values}, at marks of its own"
        return f"{problem}; judge its steps by process_reward, or use a model that reads once"
    means = "a step lacks its mark, or the model is read at another one"
    problem = f"one value must be read a step, but there are {values} for {count} steps: {means}"
    return f"{problem}; the engine's step_mark must be the token of the card's mark {card.mark or card.separator!r}"


def _values(card: RewardCard, told: Told, before: int) -> list[float | None]:
    if isinstance(told, Reading):
        return [card.value(row) for row in told.rows[before:]]
    return [card.chance(told.label_logprobs if told else None)]


def _costs(texts: Sequence[str], prompts: Sequence[Sequence[Prompt]], told: Mapping[Prompt, Told]) -> list[Usage]:
    """What each text pays: its part of what is asked about it, by the order of texts and not of places."""
    askers: dict[Prompt, list[int]] = defaultdict(list)
    for i in sorted(range(len(texts)), key=texts.__getitem__):
        for prompt in prompts[i]:
            askers[prompt].append(i)
    costs = [Usage()] * len(texts)
    for prompt, places in askers.items():
        found = told[prompt]
        for i, part in zip(places, shares(found.usage if found else Usage(), len(places)), strict=True):
            costs[i] += part
    return costs
