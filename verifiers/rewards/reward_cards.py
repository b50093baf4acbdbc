"""The cards of published reward models, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from ...orchestrator.canonical import stable_id
from ...orchestrator.errors import UsageError
from .reward_card import RewardCard

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
CARDS = {
    "abacus": RewardCard(separator="\n", most_steps=4096),
    "qwen2.5-math-prm": RewardCard(
        system=BOXED, separator="\n\n", mark="<extra_0>", column=1, aggregate="product", most_steps=256
    ),
    "math-shepherd": RewardCard(
        layout="text", separator="\n", mark=" ки", gap="\n", labels=("+", "-"), aggregate="min"
    ),
    "rlhflow-llama3.1-prm": RewardCard(layout="turns", separator="\n\n", mark="+", labels=("+", "-"), aggregate="mean"),
    "skywork-o1-prm": RewardCard(
        layout="text",
        opening="<|endoftext|>",
        joint="\n",
        separator="\n",
        mark="\n",
        column=0,
        aggregate="mean",
        most_steps=256,
    ),
    "classifier": RewardCard(),
}
"""``abacus``: the embedded model; the end of each line is its mark. ``qwen2.5-math-prm``: Zhang et al. 2025 (arXiv
2501.07301), the product of the steps. ``math-shepherd``: Wang et al. 2024 (arXiv 2312.08935), the least of the steps.
``rlhflow-llama3.1-prm``: Xiong, Zhang and Zhang 2024, "An implementation of generative PRM", the mean of the steps;
earlier steps are answered with "+", whatever the model thought of them. ``skywork-o1-prm``: Skywork-o1-Open-PRM 2024,
its value head served as a classifier of one label; it names no aggregate, the mean is ours. ``classifier``: any model
that reads the whole response once, its last column."""


def card_of(card: str | RewardCard) -> RewardCard:
    """The card that is named, or given.

    Raises:
        UsageError: no card has that name.
    """
    if isinstance(card, RewardCard):
        return card
    if not isinstance(card, str) or card not in CARDS:
        raise UsageError(f"card must be a table, or one of {', '.join(CARDS)}, got {card!r}; name one of them")
    return CARDS[card]


def called(card: str | RewardCard) -> str:
    """What a message calls a card: its name where it was given one."""
    return f"the card {card!r}" if isinstance(card, str) else "that table"


def name_of(card: str | RewardCard) -> str:
    """The name of a card that is built in, or what names another by its content."""
    if isinstance(card, str):
        return card
    return next((name for name, known in CARDS.items() if known == card), f"card-{stable_id(card)}")


def _built(card: Any) -> str | RewardCard:
    """The card's name, or the card that a table describes.

    Raises:
        UsageError: neither.
    """
    if isinstance(card, Mapping):
        try:
            return RewardCard.model_validate(card)
        except ValidationError as error:
            raise UsageError.from_validation("card", error) from None
    card_of(card)
    return card  # type: ignore[no-any-return]


AnyCard = Annotated[str | RewardCard, BeforeValidator(_built)]
