"""What one request gets of a key's budget: as much as it may use, where so much can still be had."""

from __future__ import annotations

from ..budget import COUNTED, Budget, Dimension, amounts, in_units
from ..types import Usage
from .refusal import overspent

Share = dict[Dimension, int]
"""Whole units in each dimension that a budget limits."""


def share(budget: Budget, spent: Usage, least: Usage, most: Budget) -> Share:
    """What a request gets of `budget` once all before it have settled.

    In each dimension that `budget` limits it is what `most` allows, or all that is left where that is less or `most`
    has no limit.

    Args:
        budget: of all requests together.
        spent: by those that have settled.
        least: what one answer costs at least.
        most: what this request may spend.

    Raises:
        Refusal: what is left does not pay `least`.

    >>> share(Budget(total_tokens=100), Usage(prompt_tokens=30), Usage(prompt_tokens=9), Budget(calls=5))
    {'total_tokens': 70}
    """
    share: Share = {}
    facts = zip(COUNTED, budget.limits(), amounts(spent), amounts(least), most.limits(), strict=True)
    for name, limit, used, needed, wanted in facts:
        if limit is None:
            continue
        left = limit - used
        if left < needed:
            raise _spent(name, left, needed)
        share[name] = left if wanted is None else min(left, wanted)
    return _with_whole_tokens(share, least)


def bound(share: Share) -> Usage:
    """A usage that is just `share` in each of its dimensions."""
    prompt, completion, total = (share.get(name) for name in COUNTED[:3])
    if total is not None and prompt is None:
        prompt = total - (completion or 0)
    if total is not None and completion is None:
        completion = total - (prompt or 0)
    rest = (share.get(name, 0) for name in COUNTED[3:])
    return Usage(prompt or 0, 0, completion or 0, *rest)


def within(share: Share, most: Budget) -> Budget:
    """`most`, with the limits of `share`."""
    return most.model_copy(update={name: in_units(amount, name) for name, amount in share.items()}) if share else most


def _with_whole_tokens(share: Share, least: Usage) -> Share:
    """The share, with no more tokens of a kind than in all, and no more of both kinds together."""
    if "total_tokens" not in share:
        return share
    total = share["total_tokens"]
    kinds: Share = {name: min(share[name], total) for name in COUNTED[:2] if name in share}
    if len(kinds) == 2:
        asked = sum(kinds.values())
        if asked > total:
            prompt = min(total * kinds["prompt_tokens"] // asked, total - least.completion_tokens)
            prompt = min(total, max(prompt, least.prompt_tokens))
            kinds = {"prompt_tokens": prompt, "completion_tokens": total - prompt}
        total = min(total, asked)
    return {**share, **kinds, "total_tokens": total}


def _spent(name: Dimension, left: int, needed: int) -> Exception:
    has, costs = in_units(max(0, left), name), in_units(needed, name)
    return overspent(f"{name}: an answer costs {costs:.15g} at least, this key has {has:.15g} left; raise its budget")
