"""What flows between the nodes of a pipeline, and what a run may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .types import Usage

Medium = Literal["text", "image"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of the candidates on an edge: how few and how many, by whom they are scored, and how long.

    Args:
        longest: most tokens generated for one of them.
        drawn_by: the names of the engines that generated them; empty where that is not known.
        carries: what else each of them has, e.g. a ``critique``, and the shape of its text.
        medium: what they are.
        may_call: whether they may be calls of tools, which nothing reads.
    """

    fewest: int = 0
    most: int = 0
    scored_by: frozenset[str] = frozenset()
    longest: int = 0
    drawn_by: frozenset[str] = frozenset()
    carries: Mapping[str, Shape] = field(default_factory=dict)
    medium: Medium = "text"
    may_call: bool = False

    @property
    def is_empty(self) -> bool:
        return self.most == 0

    def narrowed(self, most: int) -> Shape:
        """The shape after all but `most` candidates are dropped."""
        return replace(self, fewest=min(self.fewest, most), most=min(self.most, most))

    def merged(self, other: Shape) -> Shape:
        """The shape of two branches' candidates laid side by side."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        longest = max(self.longest, other.longest)
        known = self.drawn_by and other.drawn_by
        return Shape(
            self.fewest + other.fewest,
            self.most + other.most,
            self.scored_by & other.scored_by,
            longest,
            self.drawn_by | other.drawn_by if known else frozenset(),
            {what: text.merged(other.carries[what]) for what, text in self.carries.items() if what in other.carries},
            self.medium if self.medium == other.medium else "text",
            self.may_call or other.may_call,
        )

    def either(self, other: Shape) -> Shape:
        """The shape where one of two branches' candidates are passed on."""
        both = self.merged(other)
        return replace(both, fewest=min(self.fewest, other.fewest), most=max(self.most, other.most))

    def with_carried(self, what: str, text: Shape) -> Shape:
        """The shape after each candidate got `what`, a text drawn in one of the shape `text`."""
        return replace(self, carries={**self.carries, what: text})


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run can cost: the least and the most in every dimension of the budget, and how long it must wait.

    Args:
        least: in each dimension.
        most: in each dimension.
        critical_path: the most calls, draws and judgements by a model, that are made one after another, where none is
            lost. A call that is sent again counts once, and nothing else holds calls back: neither a budget that does
            not cover the most, nor an engine's limit of requests in flight.
    """

    least: Usage = Usage()
    most: Usage = Usage()
    critical_path: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        """Both, one after the other."""
        path = self.critical_path + other.critical_path
        return Estimate(self.least + other.least, self.most + other.most, path)

    def beside(self, other: Estimate) -> Estimate:
        """Both, side by side: the longer path counts."""
        return replace(self + other, critical_path=max(self.critical_path, other.critical_path))
