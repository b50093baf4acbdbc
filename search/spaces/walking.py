"""From tables that hold domains to tables of values: every domain asks once which of its values is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ...orchestrator.errors import UsageError
from .domains import Choice, Domain, Same

T = TypeVar("T")
Pick = Callable[[str, Domain], int]
"""Which value the domain of a key takes, by its place; asked once a table, in the order of the table."""
OPTION = "option"


@dataclass(frozen=True, slots=True)
class Axis:
    """One domain of a space.

    Args:
        key: its name, or the path where it stands.
        domain: the values.
        is_conditional: whether there are points that do not have it.
    """

    key: str
    domain: Domain
    is_conditional: bool


def resolved(part: Any, path: str, named: Mapping[str, Domain], pick: Pick) -> tuple[Any, dict[str, int]]:
    """The table of values that `part` stands for, and the place that each domain's key took."""
    taken: dict[str, int] = {}

    def resolve(part: Any, path: str) -> Any:
        if isinstance(part, Domain):
            key = part.name or path
            domain = named[key] if isinstance(part, Same) else part
            if key not in taken:
                taken[key] = pick(key, domain)
            return domain.value(taken[key], key, resolve)
        if isinstance(part, dict):
            return {name: resolve(value, f"{path}/{name}") for name, value in part.items()}
        if isinstance(part, tuple):
            return _spliced(part, path, resolve)
        return part

    return resolve(part, path), taken


def _spliced(parts: tuple[Any, ...], path: str, resolve: Callable[[Any, str], Any]) -> list[Any]:
    values: list[Any] = []
    for i, part in enumerate(parts):
        value = resolve(part, f"{path}/{i}")
        if isinstance(part, Domain) and isinstance(value, list):
            values += value
        else:
            values.append(value)
    return values


def every(make: Callable[[Callable[[int], int]], T]) -> Iterator[T]:
    """What `make` makes for all combinations of what it asks, the last question varying fastest.

    It is handed a function that takes how many answers a question has and gives one of them.

    >>> list(every(lambda ask: (ask(2), ask(2))))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    answers: list[int] = []
    while True:
        sizes: list[int] = []

        def ask(size: int, sizes: list[int] = sizes) -> int:
            sizes.append(size)
            if len(sizes) > len(answers):
                answers.append(0)
            return answers[len(sizes) - 1]

        yield make(ask)
        while answers and answers[-1] == sizes[len(answers) - 1] - 1:
            answers.pop()
        if not answers:
            return
        answers[-1] += 1


def combinations(part: Any, path: str, named: Mapping[str, Domain], enough: int) -> int:
    """How many tables of values `part` stands for, or `enough` of them or more, where counting ends.

    They are not all made: domains that hold none only multiply.
    """

    def count(ask: Callable[[int], int]) -> int:
        free: list[int] = []

        def pick(key: str, domain: Domain) -> int:
            if any(holds_domains(part) for part, *_ in domain.parts(key)):
                return ask(len(domain.labels))
            free.append(len(domain.labels))
            return 0

        resolved(part, path, named, pick)
        return math.prod(free)

    total = 0
    for found in every(count):
        total += found
        if total >= enough:
            break
    return total


def holds_domains(part: Any) -> bool:
    """Whether a part of a table holds a domain."""
    if isinstance(part, Domain):
        return True
    if isinstance(part, Mapping):
        return any(map(holds_domains, part.values()))
    return isinstance(part, tuple) and any(map(holds_domains, part))


def named_domains(part: Any) -> dict[str, Domain]:
    """The domains that have a name.

    Raises:
        UsageError: two that differ have one name.
    """
    found: dict[str, Domain] = {}
    for domain in _domains(part):
        if domain.name is None or isinstance(domain, Same):
            continue
        if found.setdefault(domain.name, domain) != domain:
            raise UsageError(f"a name must mean one domain, but {domain.name!r} means two; rename one of them")
    return found


def _domains(part: Any) -> Iterator[Domain]:
    if isinstance(part, Domain):
        yield part
        inner: Any = [each for each, *_ in part.parts("")]
    else:
        inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, tuple) else ()
    for each in inner:
        yield from _domains(each)


def axes(part: Any, path: str, named: Mapping[str, Domain]) -> dict[str, Axis]:
    """Every domain that points may have, in the order of the table.

    Raises:
        UsageError: a link leads nowhere, or into itself.
    """
    found: dict[str, Domain] = {}

    def visit(part: Any, path: str, within: tuple[str, ...]) -> set[str]:
        """Note the domains of a part; the keys of those that every value of it has."""
        if isinstance(part, Mapping):
            return set().union(*(visit(value, f"{path}/{name}", within) for name, value in part.items()))
        if isinstance(part, tuple):
            return set().union(*(visit(value, f"{path}/{i}", within) for i, value in enumerate(part)))
        if not isinstance(part, Domain):
            return set()
        key, domain = part.name or path, _linked(part, named)
        if key in within:
            raise UsageError(f"a domain must not stand within itself, but {key!r} does; take the link out of it")
        found.setdefault(key, domain)
        kept = [(visit(inner, at, (*within, key)), is_sure) for inner, at, is_sure in domain.parts(key)]
        if isinstance(domain, Choice):
            return {key} | set.intersection(*(keys for keys, _ in kept))
        return {key}.union(*(keys for keys, is_sure in kept if is_sure))

    always = visit(part, path, ())
    return {key: Axis(key, domain, key not in always) for key, domain in found.items()}


def _linked(domain: Domain, named: Mapping[str, Domain]) -> Domain:
    if not isinstance(domain, Same):
        return domain
    if domain.name not in named:
        known = ", ".join(sorted(named)) or "none"
        raise UsageError(f"a link must name a domain of the space ({known}), got {domain.name!r}; name one of these")
    return named[domain.name]
