"""A strategy with parts of its knobs replaced, also those of the nodes of a pipeline and of the strategies it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

Change = Callable[[Any], Any]


def changed(value: Any, kind: type, change: Change) -> Any:
    """What `change` makes of `value` where it is of a `kind`, else `value` with the like changed among its knobs."""
    return change(value) if isinstance(value, kind) else descended(value, kind, change)


def descended(value: Any, kind: type, change: Change) -> Any:
    """`value` with the outermost parts of a `kind` among its knobs changed."""
    if isinstance(value, BaseModel):
        knobs = {name: changed(getattr(value, name), kind, change) for name in type(value).model_fields}
        return value.model_copy(update=knobs)
    if isinstance(value, Mapping):
        return {key: changed(part, kind, change) for key, part in value.items()}
    return type(value)(changed(part, kind, change) for part in value) if isinstance(value, (list, tuple)) else value


def subclassed(part: Any, methods: Mapping[str, Any]) -> Any:
    """An object of a subclass of the class of `part`, with the same name and knobs but other `methods`."""
    kind = type(part)
    other = type(kind.__name__, (kind,), {**methods, "__module__": kind.__module__})
    return other.model_construct(**{name: getattr(part, name) for name in kind.model_fields})  # type: ignore[attr-defined]
