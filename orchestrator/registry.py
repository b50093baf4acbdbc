"""Plug-ins by name: built-in kinds, and kinds that other packages offer by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import UsageError

T = TypeVar("T", bound=BaseModel)
FEW = 10
"""So many kinds are all named where one is not known, also where another is close to it."""


class Registry(Generic[T]):
    """The kinds of one room.

    Args:
        noun: what is registered, for messages, e.g. ``strategy``.
        group: entry-point group that outside packages use, e.g. ``ponder.strategies``.
        kinds: the built-in classes by kind; one that stands above this room by its ``module:name``.
    """

    def __init__(self, noun: str, group: str, kinds: Mapping[str, type[T] | str]) -> None:
        self.noun = noun
        self.group = group
        self._kinds = kinds
        self._joined: dict[str, type[T]] = {}

    def join(self, kind: str, cls: type[T]) -> None:
        """Build tables of `kind` too: a class that stands above this room, and is not among its `names`."""
        self._joined[kind] = cls

    def __getitem__(self, kind: str) -> type[T]:
        if kind in self._kinds:
            found = self._kinds[kind]
            return self._loaded(EntryPoint(kind, found, self.group)) if isinstance(found, str) else found
        if kind in self._joined:
            return self._joined[kind]
        for entry in entry_points(group=self.group, name=kind):
            return self._loaded(entry)
        names = self.names()
        close = get_close_matches(kind, names, n=1)
        hints = [f"did you mean {close[0]!r}?"] if close else []
        hints += [f"known: {', '.join(names)}"] if not close or len(names) <= FEW else []
        raise UsageError(f"{self.noun} must be a known kind, got {kind!r}; {' '.join(hints)}")

    def _loaded(self, entry: EntryPoint) -> type[T]:
        """The class that another package, or a higher room, offers.

        Raises:
            UsageError: there is none, or it cannot be imported.
        """
        try:
            found = entry.load()
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        else:
            if isinstance(found, type) and issubclass(found, BaseModel):
                return found  # type: ignore[return-value]
            problem = f"{entry.value} is no class of {self.noun}"
        package = entry.dist.name if entry.dist else "unknown"
        raise UsageError(
            f"{self.noun} {entry.name!r} must be a class that can be imported, but in package {package!r} it is not: "
            f"{problem}; mend or uninstall that package"
        )

    def names(self) -> list[str]:
        """Every kind that can be had, sorted."""
        return sorted({*self._kinds, *(entry.name for entry in entry_points(group=self.group))})

    def build(self, data: Any) -> T:
        """The plug-in that `data` describes: a table with a ``kind``, or a plug-in already built.

        Raises:
            UsageError: no such kind, or a knob out of range.
        """
        if not isinstance(data, Mapping):
            if isinstance(data, BaseModel):
                return data  # type: ignore[return-value]
            raise UsageError(f"{self.noun} must be a table with a kind, got {data!r}")
        if "kind" not in data:
            raise UsageError(f"{self.noun} must name its kind, got {dict(data)!r}; add kind = one of {self.names()}")
        cls = self[str(data["kind"])]
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise UsageError.from_validation(f"{self.noun} {data['kind']!r}", error) from None
