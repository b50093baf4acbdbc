"""What may stand in place of a knob's value: a choice, a range, a part of a ranking, a repetition, a link."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...orchestrator.errors import UsageError
from ...orchestrator.pipeline_file import without_none

Scalar = str | int | float | bool | None
Resolve = Callable[[Any, str], Any]
"""The value of a part of a table that stands at a path."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
DIGITS = 12
"""Significant digits of a value on a grid of real numbers."""
MOST_VALUES = 10_000
MOST_TIMES = 1_000


class Domain(BaseModel):
    """The values that a knob may take.

    Args:
        name: by which other places of the space take the same value; also what the axis is called.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    name: Name | None = None

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """What a point stores for each value, in order."""
        raise TypeError(f"{type(self).__name__} must implement labels")

    @property
    def is_ordered(self) -> bool:
        """Whether values that are neighbours are alike."""
        return True

    def parts(self, path: str) -> Iterator[tuple[Any, str, bool]]:
        """What its values are made of and may hold domains again, where it stands, and whether every value has it."""
        yield from ()

    def value(self, place: int, path: str, resolve: Resolve) -> Any:
        """The value at `place`, the domains in it resolved by the paths they have below `path`."""
        return self.labels[place]

    def place(self, label: Scalar) -> int:
        """Where the value stands that a point stores as `label`.

        Raises:
            UsageError: it is none of the values.
        """
        for i, own in enumerate(self.labels):
            if own == label and isinstance(own, bool) == isinstance(label, bool):
                return i
        raise UsageError(f"a value must be one of {list(self.labels)}, got {label!r}; take one of these")

    def scale(self) -> list[float]:
        """Where each value stands from 0 to 1, whole numbers by their logarithm.

        >>> [round(x, 2) for x in Integers(low=1, high=8, log=True).scale()]
        [0.0, 0.33, 0.67, 1.0]
        """
        numbers = [float(label) for label in self.labels]  # type: ignore[arg-type]
        if all(isinstance(label, int) for label in self.labels):
            shift = max(0.0, 1 - numbers[0])
            numbers = [math.log(number + shift) for number in numbers]
        low, high = numbers[0], numbers[-1]
        return [(number - low) / (high - low) if high > low else 0.0 for number in numbers]


class Choice(Domain):
    """One of some values: scalars, tables that may hold domains again, or lists.

    Where it stands in a list, a value that is a list is laid into that list. Rising numbers are ordered.

    >>> Choice(values=(1, 2, 4)).is_ordered, Choice(values=("small", "large")).is_ordered
    (True, False)
    """

    kind: Literal["choice"] = "choice"
    values: Annotated[tuple[Any, ...], Field(min_length=1), AfterValidator(lambda values: tuple(map(read, values)))]

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        seen = set()
        for value in self.values:
            key = (isinstance(value, bool), value) if isinstance(value, Scalar) else repr(value)
            if key in seen:
                raise UsageError(f"the values of a choice must differ, got {value!r} twice; leave one of them out")
            seen.add(key)
        return self

    @property
    def labels(self) -> tuple[Scalar, ...]:
        are_plain = all(isinstance(value, Scalar) for value in self.values)
        return self.values if are_plain else tuple(range(len(self.values)))

    @property
    def is_ordered(self) -> bool:
        are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)
        return are_numbers and all(one < other for one, other in pairwise(self.values))

    def parts(self, path: str) -> Iterator[tuple[Any, str, bool]]:
        for i, value in enumerate(self.values):
            yield value, f"{path}/{i}", len(self.values) == 1

    def value(self, place: int, path: str, resolve: Resolve) -> Any:
        return resolve(self.values[place], f"{path}/{place}")


class Integers(Domain):
    """Whole numbers from `low` to `high`, 10,000 at most.

    Args:
        low: the first.
        high: none is above it.
        step: between two.
        log: whether each is twice the one before instead.

    >>> Integers(low=2, high=10, step=2).labels, Integers(low=3, high=30, log=True).labels
    ((2, 4, 6, 8, 10), (3, 6, 12, 24))
    """

    kind: Literal["integers"] = "integers"
    low: Whole
    high: Whole
    step: Annotated[int, Field(ge=1)] = 1
    log: bool = False

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.low > self.high or (self.log and self.low < 1):
            least = "1 <= low <= high" if self.log else "low <= high"
            raise UsageError(f"integers must have {least}, got low {self.low} and high {self.high}; change one of them")
        if self.log and self.step != 1:
            raise UsageError(f"integers must double or go by a step, got both (step {self.step}); leave one out")
        if not self.log and (count := (self.high - self.low) // self.step + 1) > MOST_VALUES:
            raise UsageError(f"integers must be at most {MOST_VALUES} values, got {count}; set a greater step, or log")
        return self

    @property
    def labels(self) -> tuple[int, ...]:
        if self.log:
            return tuple(self.low << i for i in range((self.high // self.low).bit_length()))
        return tuple(range(self.low, self.high + 1, self.step))


class Floats(Domain):
    """Real numbers on a grid of equal steps from `low` to `high`.

    Args:
        low: the first.
        high: the last.
        grid: how many.
        log: whether the steps are equal factors instead.

    >>> Floats(low=0.2, high=1.0).labels, Floats(low=0.01, high=1, grid=3, log=True).labels
    ((0.2, 0.4, 0.6, 0.8, 1.0), (0.01, 0.1, 1.0))
    """

    kind: Literal["floats"] = "floats"
    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    grid: Annotated[int, Field(ge=2, le=MOST_VALUES)] = 5
    log: bool = False

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            least = "0 < low < high" if self.log else "low < high"
            raise UsageError(f"floats must have {least}, got low {self.low} and high {self.high}; change one of them")
        if not all(one < other for one, other in pairwise(self.labels)):
            got = f"{self.grid} from {self.low} to {self.high}"
            raise UsageError(f"floats must differ in {DIGITS} digits, got {got}; take fewer, or another range")
        return self

    @property
    def labels(self) -> tuple[float, ...]:
        shares = [i / (self.grid - 1) for i in range(self.grid)]
        if self.log:
            values = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            values = [self.low + (self.high - self.low) * share for share in shares]
        return tuple(float(f"{value:.{DIGITS}g}") for value in values)

    def scale(self) -> list[float]:
        return [i / (self.grid - 1) for i in range(self.grid)]


class Prefix(Domain):
    """The first of a ranking, best first: a list of `low` to `high` of its values. A point stores how many.

    Args:
        values: the ranking.
        low: fewest.
        high: most; None for all.
    """

    kind: Literal["prefix"] = "prefix"
    values: Annotated[tuple[Any, ...], Field(min_length=1), AfterValidator(lambda values: tuple(map(read, values)))]
    low: Annotated[int, Field(ge=0)] = 1
    high: int | None = None

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if not self.low <= self.most <= len(self.values):
            got = f"low {self.low}, high {self.most} of {len(self.values)}"
            raise UsageError(f"a prefix must have low <= high <= its values, got {got}; change one of them")
        return self

    @property
    def most(self) -> int:
        """The most of the ranking that are taken."""
        return len(self.values) if self.high is None else self.high

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.most + 1))

    def parts(self, path: str) -> Iterator[tuple[Any, str, bool]]:
        for i, value in enumerate(self.values[: self.most]):
            yield value, f"{path}/{i}", i < self.low

    def value(self, place: int, path: str, resolve: Resolve) -> Any:
        return resolve(self.values[: self.labels[place]], path)


class Repeat(Domain):
    """In a list: the elements of `of`, `low` to `high` times. Each time they are the same, domains in them too.

    Args:
        low: fewest times.
        high: most times.
        of: what is repeated.
    """

    kind: Literal["repeat"] = "repeat"
    low: Annotated[int, Field(ge=0)]
    high: Annotated[int, Field(le=MOST_TIMES)]
    of: Annotated[tuple[Any, ...], Field(min_length=1), AfterValidator(lambda values: tuple(map(read, values)))]

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if self.low > self.high:
            got = f"low {self.low} and high {self.high}"
            raise UsageError(f"a repetition must have low <= high, got {got}; change one of them")
        return self

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.high + 1))

    def parts(self, path: str) -> Iterator[tuple[Any, str, bool]]:
        for i, part in enumerate(self.of):
            yield part, f"{path}/of/{i}", self.low > 0

    def value(self, place: int, path: str, resolve: Resolve) -> Any:
        times = self.labels[place]
        return resolve(self.of, f"{path}/of") * times if times else []


class Same(Domain):
    """The value that the domain of this `name` takes, wherever in the space that stands."""

    kind: Literal["same"] = "same"
    name: Name

    @property
    def labels(self) -> tuple[Scalar, ...]:
        raise TypeError("a link has the values of the domain it names")


KINDS: Mapping[str, type[Domain]] = {
    cls.model_fields["kind"].default: cls for cls in (Choice, Integers, Floats, Prefix, Repeat, Same)
}
"""No strategy, verifier or answer has such a kind."""


def read(part: Any) -> Any:
    """A part of a table: its lists as tuples, the tables of domains as domains, and other models as tables.

    Knobs of models that are None are left out, as in files.

    Raises:
        UsageError: a domain is not valid, or a value cannot be saved.
    """
    if isinstance(part, Domain):
        return part
    if isinstance(part, BaseModel):
        return read(without_none(part.model_dump(mode="json")))
    if isinstance(part, Mapping):
        kind = part.get("kind")
        if isinstance(kind, str) and kind in KINDS:
            try:
                return KINDS[kind].model_validate(dict(part))
            except ValidationError as error:
                raise UsageError.from_validation(f"domain {kind!r}", error) from None
        return {name: read(value) for name, value in part.items()}
    if isinstance(part, Sequence) and not isinstance(part, str | bytes):
        return tuple(map(read, part))
    if not _is_plain(part):
        known = "text, finite numbers of 64 bits, true, false, lists and tables"
        raise UsageError(f"a space must be made of {known}, got {part!r}; write it as one of these")
    return part


def _is_plain(part: Any) -> bool:
    """Whether a value stands for itself in JSON."""
    if isinstance(part, str):
        return part.isascii() or not any("\ud800" <= character <= "\udfff" for character in part)
    if isinstance(part, int | float):
        return -(2**63) <= part < 2**63 if isinstance(part, int) else math.isfinite(part)
    return part is None
