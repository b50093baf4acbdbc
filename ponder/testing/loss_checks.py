"""A check that a call which is lost costs what it would have given, and nothing else that was paid."""

from __future__ import annotations

from collections import Counter

from ..orchestrator.strategy import Strategy
from .require import require
from .scene import Played, Scene, play
from .sound_candidates import require_sound
from .watched_calls import Manner

MOST_LOST = 32
"""Calls that are lost, one a run, spread evenly over a longer run."""


async def keeps_what_survives(strategy: Strategy) -> None:
    """With exactly one call lost, each answer that is missing costs one candidate at most.

    A lost draw takes the draws with it that would have followed from it, a lost judgement none. A run that draws more
    because of the loss, or asks something else, has taken another course and may return another number; so may a
    strategy that `is_speculative`, which drops what it draws ahead.
    """
    whole = await play(strategy)
    calls = whole.seen.calls
    for number in range(calls) if calls <= MOST_LOST else [calls * i // MOST_LOST for i in range(MOST_LOST)]:
        played = await play(strategy, Scene(manner=Manner(loses=range(number, number + 1))))
        where = f"with call {number} of {calls} lost"
        require_sound(played, where)
        if not strategy.is_speculative and not _asked(played) - _asked(whole):
            missing = len(whole.seen.prompts) - played.seen.answered
            least, kept = len(whole.result.candidates) - missing, len(played.result.candidates)
            rule = f"{where}, and {missing} draws fewer than without, at least {least} candidates must be kept"
            require(kept >= least, rule, kept)


def _asked(played: Played) -> Counter[bool]:
    """How often text was asked for: an answer to the query itself, and other things."""
    return Counter(prompt == played.seen.query.messages for prompt in played.seen.prompts)
