"""The space: compositions written as tables whose knobs may hold domains. Each of its points is a strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import orjson
import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...orchestrator.canonical import canonical_json
from ...orchestrator.errors import ShapeError, UsageError
from ...orchestrator.pipeline import build_strategy
from ...orchestrator.pipeline_file import read_toml, without_none
from ...orchestrator.strategy import Strategy
from ..problem import Floats, Indices
from .domains import Choice, Domain, Scalar, read
from .encoding import Encoding
from .plain import plain
from .rules import check
from .walking import OPTION, Axis, Pick, axes, combinations, every, named_domains, resolved

MOST_POINTS = 10_000
TRIES = 1_000
"""Draws in vain after which a sample is given up."""


@dataclass(frozen=True, slots=True)
class Point:
    """One composition of a space.

    Args:
        strategy: the composition in its plain form: what runs, saves and serves.
        choices: the value of each domain that this point has, by name or path, or its place where it is no scalar;
            ``option`` is the number of its option, where the space has several.
        id: of the strategy; points that do the same have one.
    """

    strategy: Strategy
    choices: Mapping[str, Scalar]
    id: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or self.strategy.id)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A combination of values that is no sound composition.

    Args:
        choices: the values.
        slot: where it is unsound.
        rule: what must hold there.
        remedy: what to change.
    """

    choices: Mapping[str, Scalar]
    slot: str
    rule: str
    remedy: str


class Space(BaseModel):
    """Compositions as tables of strategies, any knob of which may hold a domain instead of a value.

    A domain is called by its name, or by the path where it stands, such as ``0/verifier/1/engine``: option, knob,
    value of a choice, knob. Of two combinations that do the same the first counts.

    Args:
        options: tables of strategies; a point is one of one of them.
        most_candidates: most candidates that one node of a composition may hand to the next; None for any number.

    >>> from .domains import Integers
    >>> space = Space(options=({"kind": "self_consistency", "n": Integers(low=1, high=8, log=True)},))
    >>> [(point.strategy.kind, point.strategy.n, dict(point.choices)) for point in space.enumerate()][:2]
    [('sample', 1, {'0/n': 1}), ('self_consistency', 2, {'0/n': 2})]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    options: Annotated[tuple[Any, ...], Field(min_length=1), AfterValidator(lambda options: tuple(map(read, options)))]
    most_candidates: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _is_linked(self) -> Self:
        if OPTION in self._named:
            raise UsageError(f"no domain may be named {OPTION!r}, which the options are; rename it")
        axes(self._root, OPTION, self._named)  # refuses links that lead nowhere
        return self

    @cached_property
    def _root(self) -> Domain:
        return _Options(values=self.options)

    @cached_property
    def _named(self) -> dict[str, Domain]:
        return named_domains(self.options)

    @cached_property
    def _axes(self) -> dict[str, Axis]:
        return axes(self._root, OPTION, self._named)

    @cached_property
    def _encoding(self) -> Encoding:
        return Encoding(self._axes)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A space with other fields, and nothing that was found out about this one."""
        return type(self)(**{**dict(self), **(update or {})})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The space in a TOML file.

        Raises:
            UsageError: no such file, no TOML, or no sound space.
        """
        try:
            return cls.model_validate(read_toml(path))
        except ValidationError as error:
            raise UsageError.from_validation(f"the space in {path}", error) from None

    def save(self, path: str | Path) -> None:
        """Write the space as TOML; `load` gives an equal one back, without knobs that are None.

        Raises:
            UsageError: a value is None, which TOML cannot say.
        """
        try:
            text = tomli_w.dumps(without_none(self.model_dump(mode="json")))
        except TypeError:
            raise UsageError("values of a choice must not be None in TOML; leave None out, or save as JSON") from None
        Path(path).write_text(text, encoding="utf-8")

    @property
    def combinations(self) -> int:
        """How many combinations of values there are, sound or not; of very many, some number above 10,000."""
        return self._count(MOST_POINTS)

    def _count(self, limit: int) -> int:
        """How many combinations there are, or some number above `limit`."""
        return combinations(self._root, OPTION, self._named, limit + 1)

    @property
    def size(self) -> int:
        """How many compositions there are.

        Raises:
            UsageError: too many to enumerate.
        """
        return len(self.enumerate())

    def enumerate(self, limit: int = MOST_POINTS) -> list[Point]:
        """Every composition once, in the order of the tables, the last domain varying fastest.

        Args:
            limit: most combinations that are gone through.

        Raises:
            UsageError: there are more combinations, or none of them is sound.
        """
        self._check_limit(limit)
        points, refusals = self._everything
        if not points:
            raise UsageError(
                f"a space must hold a sound composition, but of {len(refusals)} combinations none is; in the first, "
                f"node {refusals[0].slot!r}: {refusals[0].rule}; {refusals[0].remedy}"
            )
        return list(points)

    def refused(self, limit: int = MOST_POINTS) -> list[Refusal]:
        """Every combination that is no sound composition, and why.

        Raises:
            UsageError: there are more combinations than `limit`.
        """
        self._check_limit(limit)
        return list(self._everything[1])

    def _check_limit(self, limit: int) -> None:
        if (count := self._count(limit)) > limit:
            raise UsageError(
                f"a space that is enumerated must have at most {limit} combinations, got {count} or more; sample from "
                "it, or take fewer values"
            )

    @cached_property
    def _everything(self) -> tuple[list[Point], list[Refusal]]:
        points: dict[str, Point] = {}
        refusals: list[Refusal] = []
        for choices, table in self._tables():
            try:
                point = self._point(choices, table)
                points.setdefault(point.id, point)
            except ShapeError as error:
                refusals.append(Refusal(choices, error.node, error.rule, error.remedy))
        return list(points.values()), refusals

    def _tables(self) -> Iterator[tuple[dict[str, Scalar], Any]]:
        return every(lambda ask: self._resolved(lambda key, domain: ask(len(domain.labels))))

    def _resolved(self, pick: Pick) -> tuple[dict[str, Scalar], Any]:
        table, places = resolved(self._root, OPTION, self._named, pick)
        if len(self.options) == 1:
            del places[OPTION]
        return {key: self._axes[key].domain.labels[place] for key, place in places.items()}, table

    def _point(self, choices: Mapping[str, Scalar], table: Any) -> Point:
        strategy = _built(table)
        check(strategy, self.most_candidates)
        return Point(plain(strategy), choices)

    def written(self, choices: Mapping[str, Scalar]) -> Strategy:
        """The strategy of some choices as the tables spell it; domains left out take their first value.

        Raises:
            UsageError: no domain is called so, a value is none of its domain's, or no strategy can be built.
        """
        return _built(self._resolved(self._picker(choices))[1])

    def point(self, choices: Mapping[str, Scalar]) -> Point:
        """The point of some choices; domains left out take their first value, those that it does not have are dropped.

        Raises:
            UsageError: no domain is called so, or a value is none of its domain's.
            ShapeError: it is no sound composition.
        """
        return self._point(*self._resolved(self._picker(choices)))

    def chosen(self, pick: Pick) -> dict[str, Scalar]:
        """The choices of a point, sound or not, where `pick` is asked for the place of the value of each domain."""
        return self._resolved(pick)[0]

    def _picker(self, choices: Mapping[str, Scalar]) -> Pick:
        if unknown := choices.keys() - self._axes.keys():
            known, got = ", ".join(self._axes), ", ".join(sorted(unknown))
            raise UsageError(f"choices must name domains of the space ({known}), got {got}; mend it")
        return lambda key, domain: domain.place(choices[key]) if key in choices else 0

    def sample(self, rng: np.random.Generator, n: int) -> list[Point]:
        """At most `n` different compositions, each value of a domain as likely as another, given those above it.

        Fewer come back where a thousand draws in a row give none that is new and sound.
        """
        points: dict[str, Point] = {}
        vain = 0
        while len(points) < n and vain < TRIES:
            drawn = self._resolved(lambda key, domain: int(rng.integers(len(domain.labels))))
            vain += 1
            try:
                point = self._point(*drawn)
            except ShapeError:
                continue
            if point.id not in points:
                points[point.id], vain = point, 0
        return list(points.values())

    def neighbours(self, point: Point) -> list[Point]:
        """The sound compositions that one changed domain makes of a point.

        An ordered domain goes to its next lower and next higher value, another to each of its other values: so an
        engine is swapped. Domains that the point did not have take their first value.
        """
        found: dict[str, Point] = {}
        for key, label in point.choices.items():
            domain = self._axes[key].domain
            for other in _beside(domain, domain.place(label)):
                try:
                    neighbour = self.point({**point.choices, key: domain.labels[other]})
                except ShapeError:
                    continue
                if neighbour.id != point.id:
                    found.setdefault(neighbour.id, neighbour)
        return list(found.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """What the columns of `encode` are."""
        return self._encoding.columns

    def encode(self, points: Sequence[Point]) -> Floats:
        """One row a point: ordered domains from 0 to 1, whole numbers by their logarithm, others one-hot.

        A domain that only some points have has a column that tells so, and is 0 where a point lacks it.
        """
        return self._encoding.encode([point.choices for point in points])

    def decode(self, row: Floats) -> Point:
        """The point that a row comes closest to, domain by domain.

        Raises:
            ShapeError: it is no sound composition.
        """
        return self._point(*self._resolved(lambda key, domain: self._encoding.nearest(row, key, domain)))

    def families(self, points: Sequence[Point]) -> Indices:
        """One number a point: the same where points differ in ordered domains alone."""
        return self._encoding.families([point.choices for point in points])


class _Options(Choice):
    """The choice between the options of a space, which are called by their number."""

    def parts(self, path: str) -> Iterator[tuple[Any, str, bool]]:
        for i, value in enumerate(self.values):
            yield value, str(i), len(self.values) == 1

    def value(self, place: int, path: str, resolve: Callable[[Any, str], Any]) -> Any:
        return resolve(self.values[place], str(place))


def _beside(domain: Domain, place: int) -> list[int]:
    others = [place - 1, place + 1] if domain.is_ordered else [i for i in range(len(domain.labels)) if i != place]
    return [i for i in others if 0 <= i < len(domain.labels)]


def _built(table: Any) -> Strategy:
    """The strategy of a table without domains; what it shares with others is built once.

    Raises:
        ShapeError: a knob is out of range, or there is no such kind.
    """
    if not isinstance(table, Mapping) or table.get("kind") != "pipeline" or not isinstance(table.get("stages"), list):
        return _part(canonical_json(table), str(table.get("kind")) if isinstance(table, Mapping) else OPTION)
    stages = [_part(canonical_json(stage), _slot(stage, i)) for i, stage in enumerate(table["stages"])]
    return build_strategy({**table, "stages": stages})


def _slot(stage: Any, i: int) -> str:
    """What the node of a stage will be called."""
    return f"{stage.get('kind')}_{i}" if isinstance(stage, Mapping) else f"stage {i}"


@lru_cache(maxsize=4096)
def _part(table: bytes, slot: str) -> Strategy:
    try:
        return build_strategy(orjson.loads(table))
    except ShapeError:
        raise
    except UsageError as error:
        rule, _, remedy = str(error).rpartition("; ")
        raise ShapeError(slot, rule or remedy, remedy if rule else "take such values out") from None
