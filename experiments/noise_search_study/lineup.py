"""Which methods are compared, at which settings."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ponder.strategies.path_search import PathSearch

from .cells import Cell
from .methods import COMMON, SIZES, STEPS, Knobs, Method, Spending

SEEDS = (0, 1, 2)
PROMPTS = 200  # of each seed


def whole(nfe: int) -> int:
    """Whole images that so many evaluations make; also states side by side, where each step costs one each."""
    return nfe // STEPS


def wide(kind: str, **knobs: Any) -> Spending:
    """A strategy whose `n` says how much it spends."""

    def spend(nfe: int) -> Knobs:
        return {"kind": kind, "n": whole(nfe), **knobs}

    return spend


def around(tau: float, n: int = 4, **knobs: Any) -> Spending:
    """Zero-order search: as many rounds as there is room for, the last cut short by the budget."""

    def spend(nfe: int) -> Knobs:
        rounds = -(-(whole(nfe) - 1) // n)
        return {"kind": "zero_order_search", "n": n, "rounds": rounds, "tau": tau, **knobs}

    return spend


def back_and_forth(n: int, **knobs: Any) -> Spending:
    """Search over paths: `n` of them, and as many children a round as there is room for."""

    def spend(nfe: int) -> Knobs:
        room = nfe // n
        paths = PathSearch.model_validate({**COMMON, "n": n, **knobs})
        each = paths.rounds * (paths.backward_steps + 1) - 1
        children = max(1, (room - len(paths.excursions.first)) // each)
        return {"kind": "path_search", "n": n, "children": children, **knobs}

    return spend


def along_paths(nfe: int) -> Knobs:
    """One path in moves of one evaluation; where there is room for enough children, in shorter rounds."""
    return back_and_forth(1, backward_steps=1, backward=0.3 if nfe <= 64 else 0.2)(nfe)


def forced(share: int, **knobs: Any) -> Spending:
    """Rollover budget forcing that begins with one evaluation in `share` for as many noises."""

    def spend(nfe: int) -> Knobs:
        return {"kind": "rollover_budget_forcing", "evaluations": nfe, "initial": nfe // share, **knobs}

    return spend


PUBLISHED = {"min_tries": 1, "margin": 0.0, "leftover": "last"}
"""The rules of Kim et al. 2025, who begin with 25 noises of 500 evaluations."""


def longer(nfe: int) -> Knobs:
    """One image, in as many steps."""
    return {"kind": "random_noise_search", "n": 1, "steps": nfe}


MAIN = (
    Method("random", "random search", wide("random_noise_search"), family="whole"),
    Method("svdd", "SVDD", wide("svdd")),
    Method("zero_order", "zero-order search, tau 0.5", around(0.5), family="tau 0.5"),
    Method("paths", "search over paths", along_paths),
    Method("feynman_kac", "Feynman-Kac steering, scale 30", wide("feynman_kac", scale=30)),
    Method("rollover", "rollover budget forcing", forced(STEPS)),
    Method("rollover_published", "rollover, published rules", forced(20, **PUBLISHED)),
    Method("steps", "more steps", longer),
)
SIDE = (
    Method("feynman_kac_1", "Feynman-Kac steering, scale 1", wide("feynman_kac", scale=1), SIZES[1:3]),
    Method("svdd_vp", "SVDD, variance preserving", wide("svdd", interpolant="variance_preserving"), SIZES[:3]),
    Method(
        "rollover_published_vp",
        "rollover, published rules, variance preserving",
        forced(20, **PUBLISHED, interpolant="variance_preserving"),
        SIZES[1:3],
    ),
    Method("zero_order_0.8", "zero-order search, tau 0.8", around(0.8), SIZES[:4], family="tau 0.8"),
    Method("zero_order_0.95", "zero-order search, tau 0.95", around(0.95), SIZES[:4], family="tau 0.95"),
)


def cells(methods: tuple[Method, ...] = MAIN, seeds: tuple[int, ...] = SEEDS, prompts: int = PROMPTS) -> list[Cell]:
    """Everything that is run, families together and sizes from the smallest, so that they share what they can."""
    families = [list(group) for _, group in groupby(methods, key=lambda method: method.family or method.name)]
    return [
        Cell(method, nfe, seed, prompts)
        for family in families
        for seed in seeds
        for method in family
        for nfe in method.sizes
    ]
