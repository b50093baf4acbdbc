"""Plain values of Python as JSON and back: what a program may be given and may return, and nothing else.

Plain are None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset and dict, of plain values. None,
bool, numbers, text and lists stand in JSON as themselves, and so does a dict whose keys are text; everything else is
an object of one key that names its type, such as ``{"$tuple": [1, 2]}``. A value of a subclass stands for what it
holds.

This file is also run wherever programs are, at each start, so it imports as little as it can.
"""

from __future__ import annotations

import math
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

MOST_ITEMS = 100_000
"""Most values within one value, itself included."""
DEPTH = 100
"""Most levels of a value."""
SAFE = 1 << 53
"""Integers beyond it are no JSON numbers that every reader takes exactly."""

_ODD_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_CONTAINERS: dict[type, Callable[[Any], Any]] = {
    list: list.__iter__,
    tuple: tuple.__iter__,
    set: set.__iter__,
    frozenset: frozenset.__iter__,
    dict: dict.items,
}
_NUMBERS: dict[type, Callable[[Any], Any]] = {int: int.__int__, float: float.__float__, complex: complex.__pos__}
_TEXTS: dict[type, Callable[[Any], Any]] = {str: str.__str__, bytes: lambda value: bytes.__add__(value, b"")}
_PLAIN = {**_NUMBERS, **_TEXTS, **_CONTAINERS}
_TAGS = ("$tuple", "$set", "$frozenset", "$dict", "$bytes", "$str", "$int", "$float", "$complex")
_BUILD: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
}


def to_json(value: object) -> Any:
    """The JSON of a plain value.

    Raises:
        ValueError: it is not plain, or too large or too deep.

    >>> to_json([1, (2.0, None), {"a": b"b"}])
    [1, {'$tuple': [2.0, None]}, {'a': {'$bytes': 'Yg=='}}]
    """
    return _Writer().write(value, 0)


def from_json(form: object) -> Any:
    """The plain value of its JSON.

    Raises:
        ValueError: it is not the JSON of a plain value, or too large or too deep.

    >>> from_json({"$dict": [[1, {"$set": []}]]})
    {1: set()}
    """
    try:
        return fold(form, lambda value: value, lambda kind, parts: _BUILD[kind](parts))
    except TypeError as error:
        raise ValueError(f"the members of a set and the keys of a dict must be hashable, but: {error}") from None


def fold(form: object, leaf: Callable[[Any], T], node: Callable[[str, list[Any]], T]) -> T:
    """What a value's JSON comes to, checked strictly from the leaves up, without building sets or dicts of its own.

    Args:
        form: the JSON, parsed.
        leaf: what None, a bool, a number, a text or bytes comes to.
        node: what a container comes to, given the name of its type and what its members come to; of a dict, pairs.

    Raises:
        ValueError: it is not the JSON of a plain value.
    """
    value: T = _Fold(leaf, node).read(form, 0)
    return value


class _Writer:
    def __init__(self) -> None:
        self._left = MOST_ITEMS

    def write(self, value: object, depth: int) -> Any:
        self._left -= 1
        if depth >= DEPTH or self._left < 0:
            raise ValueError(f"a value must have at most {DEPTH} levels and {MOST_ITEMS} members; return less")
        if value is None or value is True or value is False:
            return value
        base = next((each for each in type(value).__mro__ if each in _PLAIN), None)
        if base is None:
            raise ValueError(f"a value must be plain (numbers, text, lists, ...), but {type(value).__name__} is not")
        if base not in _CONTAINERS:
            return _scalar(_PLAIN[base](value))
        parts = _CONTAINERS[base](value)
        if base is dict:
            return _object([(self.write(key, depth + 1), self.write(item, depth + 1)) for key, item in parts])
        written = [self.write(part, depth + 1) for part in parts]
        return written if base is list else {f"${base.__name__}": written}


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"$str": _base64(value.encode("utf-8", "surrogatepass"))}
        return value
    if isinstance(value, bytes):
        return {"$bytes": _base64(value)}
    if isinstance(value, int):
        return value if -SAFE <= value <= SAFE else {"$int": hex(value)}
    if isinstance(value, complex):
        return {"$complex": [_scalar(value.real), _scalar(value.imag)]}
    return value if math.isfinite(value) else {"$float": str(value)}


def _object(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    is_plain = all(isinstance(key, str) for key, _ in pairs) and not (len(pairs) == 1 and pairs[0][0] in _TAGS)
    return dict(pairs) if is_plain else {"$dict": [list(pair) for pair in pairs]}


class _Fold:
    def __init__(self, leaf: Callable[[Any], Any], node: Callable[[str, list[Any]], Any]) -> None:
        self._leaf, self._node = leaf, node
        self._left = MOST_ITEMS

    def read(self, form: object, depth: int) -> Any:
        self._left -= 1
        if depth >= DEPTH or self._left < 0:
            raise ValueError(f"a value must have at most {DEPTH} levels and {MOST_ITEMS} members")
        if type(form) is list:
            return self._node("list", self._all(form, depth))
        if type(form) is not dict:
            return self._leaf(_checked(form))
        if len(form) == 1 and (tag := next(iter(form))) in _TAGS:
            return self._tagged(tag[1:], form[tag], depth)
        if not all(type(key) is str for key in form):
            raise ValueError("a dict whose keys are not text must stand as $dict")
        return self._node("dict", [tuple(self._all(pair, depth)) for pair in form.items()])

    def _tagged(self, kind: str, held: Any, depth: int) -> Any:
        if kind in _LEAVES:
            return self._leaf(_LEAVES[kind](held))
        if type(held) is not list:
            raise ValueError(f"${kind} must hold a list")
        if kind != "dict":
            return self._node(kind, self._all(held, depth))
        if not all(type(pair) is list and len(pair) == 2 for pair in held):
            raise ValueError("$dict must hold pairs")
        return self._node(kind, [tuple(self._all(pair, depth)) for pair in held])

    def _all(self, forms: Sequence[object], depth: int) -> list[Any]:
        return [self.read(form, depth + 1) for form in forms]


def _checked(form: object) -> Any:
    is_number = (type(form) is int and -SAFE <= form <= SAFE) or (type(form) is float and math.isfinite(form))
    if form is None or type(form) in (bool, str) or is_number:
        return form
    raise ValueError(f"{type(form).__name__} {form!r:.40} is not the JSON of a plain value")


def _text(held: Any) -> str:
    text = _bytes(held).decode("utf-8", "surrogatepass")
    if _scalar(text) == text:
        raise ValueError("$str is for text that UTF-8 cannot hold")
    return text


def _bytes(held: Any) -> bytes:
    if type(held) is not str:
        raise ValueError("bytes must be given as base64")
    try:
        return a2b_base64(held, strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise ValueError(f"bytes must be given as base64, but: {error}") from None


def _integer(held: Any) -> int:
    value = int(held, 16) if type(held) is str else 0
    if -SAFE <= value <= SAFE or hex(value) != held:
        raise ValueError("$int must hold a whole number beyond 2**53 as hex() writes it")
    return value


def _odd_float(held: Any) -> float:
    if type(held) is not str or held not in _ODD_FLOATS:
        raise ValueError("$float must hold nan, inf or -inf")
    return _ODD_FLOATS[held]


def _complex(held: Any) -> complex:
    if type(held) is not list or len(held) != 2:
        raise ValueError("$complex must hold two floats")
    return complex(*map(_float, held))


def _float(form: Any) -> float:
    if type(form) is dict and list(form) == ["$float"]:
        return _odd_float(form["$float"])
    if type(form) is not float:
        raise ValueError("$complex must hold two floats")
    return form


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()


_LEAVES: dict[str, Callable[[Any], Any]] = {
    "bytes": _bytes,
    "str": _text,
    "int": _integer,
    "float": _odd_float,
    "complex": _complex,
}
