"""A simulated world in which every composition of Archon's space answers every item, by chance.

Items differ in difficulty, models in ability, wrong answers in attraction; judges err the same way every time about the
same answer. Fusers are drawn to the right answer by its share among the candidates, checks and rankers shift that
share, and crowds of candidates confuse. Compositions that share a stage share its draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..problem import Floats, Indices
from .archon_calls import Prefix, prefixes
from .archon_points import MODELS, NOTHING, SAMPLES, VERIFIER, WIDTHS, ArchonPoint

Answers = NDArray[np.int8]
Bools = NDArray[np.bool_]
Stage = TypeVar("Stage", bound=NDArray[Any])

ITEMS = 1000
RIGHT = 0
ANSWERS = 5
KEPT_BY_RANKER = 5
KEY_LENGTH = 9  # of a stage, once filled up
ATTRACTION = (2.5, 0.8, 0.5, 0.3)
_DRAW, _VERIFY, _WRITE_TESTS, _TEST, _RANK, _FUSE, _LAST = range(7)


class Run(Protocol):
    """One course of chance in a world: what each composition answers in each replicate."""

    def is_right(self, point: ArchonPoint, replicate: int) -> Bools:
        """Whether the answer to each item is right."""


class World(Protocol):
    """Items, and how compositions fare on them."""

    @property
    def size(self) -> int:
        """Items there are."""

    def run(self, items: Indices, *seeds: int) -> Run:
        """Chance as the seeds have it, on some of the items (an item that is named twice has draws of its own)."""


class ArchonWorld:
    """The world of one seed.

    The constants are fitted to no model: they are chosen so that the best compositions are right about 9 times in 10,
    a few percent of all come within 2 points of them, and more candidates or layers help here and harm there.

    Args:
        seed: decides the items, the models and the judges.
        size: items.
    """

    def __init__(self, seed: int, size: int = ITEMS) -> None:
        rng = np.random.default_rng((seed, 0))
        self.seed = seed
        self.size = size
        self.difficulty = rng.normal(0.3, 1.4, size)
        ability = np.sort(rng.normal(0.2, 0.55, MODELS))[::-1, None]
        right = _sigmoid(ability - self.difficulty + rng.normal(0, 0.7, (MODELS, size)))
        wrong = rng.dirichlet(ATTRACTION, size).T
        shares = np.concatenate((right[:, None], (1 - right[:, None]) * wrong), axis=1)
        self.thresholds = np.cumsum(shares, axis=1)[:, :-1]
        self.bias = rng.normal(0, 0.8, (ANSWERS, size))
        self.bias[RIGHT] += 0.9
        self.verified = _sigmoid(-1.1 + 0.8 * rng.normal(size=(ANSWERS, size)))
        self.verified[RIGHT] = 0.86
        self.fusers = np.sort(rng.normal(0.2, 0.55, WIDTHS[-1]))[::-1]

    def run(self, items: Indices, *seeds: int) -> ArchonRun:
        """Chance as the seeds have it, on some of the items."""
        return ArchonRun(self, items, seeds)


class ArchonRun:
    """One course of chance in a world; a stage is drawn once, for all items, and kept.

    Args:
        world: whose items, models and judges.
        items: numbers of items.
        seeds: one or more; decide all draws together with the world's seed.
    """

    def __init__(self, world: ArchonWorld, items: Indices, seeds: tuple[int, ...]) -> None:
        self._seeds = (world.seed, *seeds)
        self._items = len(items)
        self._difficulty = world.difficulty[items]
        self._thresholds = world.thresholds[:, :, items]
        self._bias = world.bias[:, items]
        self._verified = world.verified[:, items]
        self._fusers = world.fusers
        self._columns = np.arange(len(items))
        self._stages: dict[tuple[int, ...], NDArray[Any]] = {}

    def is_right(self, point: ArchonPoint, replicate: int) -> Bools:
        """Whether the answer to each item is right."""
        last = prefixes(point)[-1]
        key = (replicate, _LAST, *last, point.critic, point.check)
        return self._stage(key, lambda rng: self._last(rng, point, last, replicate))

    def _last(self, rng: np.random.Generator, point: ArchonPoint, last: Prefix, replicate: int) -> Bools:
        candidates = self._candidates(last, replicate)
        kept = self._checked(point.check, last, candidates, replicate)
        if point.critic:
            kept = self._ranked(last, point.check, candidates, kept, replicate)
        chance, _ = self._fusing(candidates, kept, point.critic)
        return rng.random(self._items) < _sigmoid(self._fusers[0] + chance)

    def _candidates(self, prefix: Prefix, replicate: int) -> Answers:
        if prefix.layers:
            return self._fused(prefix, replicate)[: prefix.width]
        drawn = [self._drawn(model, replicate)[: prefix.samples] for model in range(prefix.generators)]
        return np.concatenate(drawn)

    def _drawn(self, model: int, replicate: int) -> Answers:
        def draw(rng: np.random.Generator) -> Answers:
            chance = rng.random((SAMPLES, self._items))
            answers: Answers = (chance[:, None] > self._thresholds[model]).sum(axis=1, dtype=np.int8)
            return answers

        return self._stage((replicate, _DRAW, model), draw)

    def _fused(self, prefix: Prefix, replicate: int) -> Answers:
        """What a layer of fusers writes; in the first hidden layer, for every width at once."""
        below = _below(prefix)
        widest = prefix.width if below.layers else WIDTHS[-1]

        def fuse(rng: np.random.Generator) -> Answers:
            candidates = self._candidates(below, replicate)
            kept = np.ones(candidates.shape, dtype=np.bool_)
            if prefix.critic:
                kept = self._ranked(below, NOTHING, candidates, kept, replicate)
            chance, top_wrong = self._fusing(candidates, kept, prefix.critic)
            is_right = rng.random((widest, self._items)) < _sigmoid(self._fusers[:widest, None] + chance)
            return np.where(is_right, np.int8(RIGHT), top_wrong)

        return self._stage((replicate, _FUSE, *below, prefix.critic), fuse)

    def _fusing(self, candidates: Answers, kept: Bools, critic: int) -> tuple[Floats, Answers]:
        """The log-odds that a fuser of no ability writes the right answer, and what it writes otherwise."""
        counts = np.stack([((candidates == answer) & kept).sum(axis=0) for answer in range(ANSWERS)])
        total = counts.sum(axis=0)
        top_wrong = counts[1:].argmax(axis=0).astype(np.int8) + np.int8(1)
        lead = (counts[RIGHT] - counts[top_wrong, self._columns]) / total
        liking = 0.55 * (self._bias[RIGHT] - 0.9) - 0.35 * self._difficulty + 0.35 * critic
        return liking + 3.4 * lead + 0.5 * (counts[RIGHT] > 0) - 0.06 * np.maximum(total - 12, 0), top_wrong

    def _ranked(self, prefix: Prefix, check: int, candidates: Answers, kept: Bools, replicate: int) -> Bools:
        """The five candidates a ranker likes best; it follows the critic's bias and some noise."""
        if len(candidates) <= KEPT_BY_RANKER:
            return kept

        def rank(rng: np.random.Generator) -> Bools:
            liking = self._bias[candidates, self._columns] + rng.normal(size=candidates.shape)
            liking[~kept] = -np.inf
            cut = np.partition(liking, -KEPT_BY_RANKER, axis=0)[-KEPT_BY_RANKER]
            best: Bools = (liking >= cut) & kept
            return best

        return self._stage((replicate, _RANK, *prefix, check), rank)

    def _checked(self, check: int, last: Prefix, candidates: Answers, replicate: int) -> Bools:
        """The candidates that pass; all of them where none does."""
        if check == NOTHING:
            return np.ones(candidates.shape, dtype=np.bool_)
        kind, chance = (_VERIFY, self._verified) if check == VERIFIER else (_TEST, self._tests(replicate))
        if last.layers:
            passed = self._passed((replicate, kind, *last), candidates, chance)
        else:
            drawn = [(model, self._drawn(model, replicate)) for model in range(last.generators)]
            judged = [self._passed((replicate, kind, model), answers, chance) for model, answers in drawn]
            passed = np.concatenate([of_model[: last.samples] for of_model in judged])
        return passed | ~passed.any(axis=0)

    def _passed(self, key: tuple[int, ...], answers: Answers, chance: Floats) -> Bools:
        return self._stage(key, lambda rng: rng.random(answers.shape) < chance[answers, self._columns])

    def _tests(self, replicate: int) -> Floats:
        """How likely each answer is to pass the tests; which wrong ones slip through is decided as they are written."""

        def write(rng: np.random.Generator) -> Floats:
            chance = _sigmoid(-1.6 + 0.8 * rng.normal(size=self._bias.shape))
            chance[RIGHT] = 0.75
            return chance

        return self._stage((replicate, _WRITE_TESTS), write)

    def _stage(self, key: tuple[int, ...], draw: Callable[[np.random.Generator], Stage]) -> Stage:
        found = self._stages.get(key)
        if found is None:
            seeds = (*self._seeds, *key, *(0,) * (KEY_LENGTH - len(key)))
            found = self._stages[key] = draw(np.random.default_rng(seeds))
        return cast(Stage, found)


def _below(prefix: Prefix) -> Prefix:
    if prefix.layers == 1:
        return Prefix(prefix.generators, prefix.samples)
    return prefix._replace(layers=prefix.layers - 1)


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))
