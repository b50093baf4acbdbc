"""Proposals by Optuna, for spaces too large to enumerate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...orchestrator.errors import ShapeError, UsageError
from ..problem import Problem
from ..spaces.domains import Domain, Scalar
from ..spaces.space import Point, Space
from .evidence import Evidence
from .item_effects import composition_means

TRIES = 10
"""Trials that are asked for a proposal that is wanted, at most."""


@dataclass(frozen=True, slots=True)
class OptunaProposer:
    """Points that a tree-structured Parzen estimator expects to be good, given the accuracies of what was measured.

    Each proposal starts a study of its own that is told the evidence as it now stands, so that a search that resumes
    proposes the same, and figures that grew more certain are not told in their first form. Parameters are named by
    the keys of the space's domains, and a domain that a point lacks is not asked: the space stays conditional. What
    is known already, unsound or no part of the problem is dropped; its trial stays open, as that of a proposal does,
    so that the next one keeps away from it (Optuna's constant liar). A trial told as failed is forgotten instead, and
    where unsound points are many the same ones are then asked for without end.

    Source: Bergstra et al. 2011 (TPE); Optuna 5, `TPESampler(multivariate=True, group=True)`.
    Departs: of a domain whose values are ordered Optuna sees the places, evenly apart, instead of the values.

    Args:
        space: where the points come from.
        point: the point of a composition's number; every composition measured has one.
        number: the number of a point, which the problem may grow by it; None where it is no part of the problem, as
            above the limit of a query.
        batch: proposals wanted at once.
    """

    space: Space
    point: Callable[[int], Point]
    number: Callable[[Point], int | None]
    batch: int = 8

    def check(self) -> None:
        """Refuse to begin without Optuna.

        Raises:
            UsageError: it is not installed.
        """
        _optuna()

    def propose(
        self, problem: Problem, evidence: Evidence, incumbents: Sequence[int], rng: np.random.Generator
    ) -> list[int]:
        """At most `batch` compositions that were not measured; before ten are known, by chance alone.

        Raises:
            UsageError: Optuna is not installed.
        """
        optuna = _optuna()
        known, found = set(evidence.compositions), list[int]()
        with _quiet(optuna):
            study = self._study(optuna, evidence, int(rng.integers(2**31)))
            for _ in range(TRIES * self.batch):
                number = self._number(study.ask())
                if number is not None and number not in known:
                    known.add(number)
                    found.append(number)
                if len(found) == self.batch:
                    break
        return found

    def _study(self, optuna: Any, evidence: Evidence, seed: int) -> Any:
        """A study that was told all that was measured."""
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        if evidence.compositions:
            found = composition_means(evidence)
            for number, mean in zip(found.compositions.tolist(), found.means.tolist(), strict=True):
                study.add_trial(self._measured(optuna, self.point(number).choices, mean))
        return study

    def _measured(self, optuna: Any, choices: Mapping[str, Scalar], mean: float) -> Any:
        """A finished trial of the point of some choices."""
        places: dict[str, int] = {}
        kinds: dict[str, Any] = {}

        def pick(key: str, domain: Domain) -> int:
            last = len(domain.labels) - 1
            places[key] = domain.place(choices[key]) if key in choices else 0
            if domain.is_ordered:
                kinds[key] = optuna.distributions.IntDistribution(0, last)
            else:
                kinds[key] = optuna.distributions.CategoricalDistribution(range(last + 1))
            return places[key]

        self.space.chosen(pick)
        return optuna.trial.create_trial(params=places, distributions=kinds, value=mean)

    def _number(self, trial: Any) -> int | None:
        """The number of the point that a trial stands for; None where there is none."""

        def pick(key: str, domain: Domain) -> int:
            last = len(domain.labels) - 1
            taken = trial.suggest_int(key, 0, last) if domain.is_ordered else None
            return int(trial.suggest_categorical(key, range(last + 1)) if taken is None else taken)

        try:
            return self.number(self.space.point(self.space.chosen(pick)))
        except ShapeError:
            return None


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        needed = "the proposer optuna must be installed, but is not"
        raise UsageError(f'{needed}; pip install "ponder[search]"') from None
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without a line for each study, and without the warning that groups are experimental, which is known."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
