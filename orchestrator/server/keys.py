"""Keys: who may ask, for what and how much. Only their digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..budget import Budget
from ..errors import UsageError

VARIABLE = "PONDER_API_KEYS"
WORD = re.compile(r"[!-~]{8,256}")
HASHED = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
TABLES = re.compile(r"(?m)^\s*(?:\[|keys\s*=)")
FIELDS = ("name", "key", "sha256", "models", "budget", "requests_per_minute", "at_once")
OF_NOTHING = "0" * 64
"""A digest that no known text has."""

Read = tuple["Key", int | None]
"""A key as it was read, and its length where it was not given as a digest."""


class Key(BaseModel):
    """A key: who has it, and what it opens.

    Args:
        name: what it is called wherever it is told of: in metrics, logs and accounts.
        digest: its SHA-256, as 64 hexadecimal digits.
        models: the models it may ask; None for all.
        budget: what all its requests together may pay. A deadline has no meaning here.
        requests_per_minute: the most requests that begin in any minute; below 1, one request in more than a minute.
        at_once: the most requests that are not answered yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    budget: Budget = Budget()
    requests_per_minute: Annotated[float, Field(gt=0, le=1e6, strict=True)] | None = None
    at_once: Annotated[int, Field(ge=1, strict=True)] | None = None

    @field_validator("budget")
    @classmethod
    def _without_deadline(cls, budget: Budget) -> Budget:
        if budget.seconds is not None:
            raise ValueError("it counts what requests pay, so seconds is none of it; limit the seconds of each request")
        return budget

    @classmethod
    def anyone(cls) -> Self:
        """Whoever asks a server without keys: anything, without limits."""
        return cls(name="anyone", digest=OF_NOTHING)

    def may_ask(self, model: str) -> bool:
        """Whether it opens a model."""
        return self.models is None or model in self.models


class Keys:
    """The keys that open a server; none at all opens it to everyone on this machine.

    Args:
        keys: each with a name and a digest of its own.
        lengths: of the keys, where known: what it takes to find one in a text.

    Raises:
        UsageError: two have one name or one digest.
    """

    def __init__(self, keys: Iterable[Key] = (), lengths: Iterable[int] = ()) -> None:
        self._keys: dict[bytes, Key] = {}
        self.lengths = set(lengths)
        named: set[str] = set()
        for key in keys:
            digest = bytes.fromhex(key.digest)
            if key.name in named:
                raise UsageError(f"each key must have its own name, but two are called {key.name!r}; rename one")
            if (same := self._keys.get(digest)) is not None:
                raise UsageError(f"each key must differ, but {same.name!r} and {key.name!r} are equal; remove one")
            named.add(key.name)
            self._keys[digest] = key

    @classmethod
    def load(cls, path: str | Path | None = None, environment: Mapping[str, str] = os.environ) -> Self:
        """The keys of a file and of the variable ``PONDER_API_KEYS``.

        A plain file holds one key a line, as it is or as ``sha256:`` and its digest; empty lines and lines that begin
        with ``#`` are skipped. A TOML file holds a table ``[[keys]]`` for each, with its `name`, its `sha256` or the
        `key` itself, and its limits as `Key` has them. The variable holds keys with commas or spaces between. Keys
        without a name are called by their place: ``key-3`` in line 3, ``environment-1``.

        Raises:
            UsageError: the file cannot be read, holds no key, something is no key, or two are equal.
        """
        words = re.split(r"[\s,]+", environment.get(VARIABLE, "").strip(", \t\r\n"))
        read = [_bare(word, f"environment-{i}", VARIABLE) for i, word in enumerate(words, 1) if word]
        read += _in_file(Path(path)) if path is not None else []
        return cls((key for key, _ in read), (length for _, length in read if length is not None))

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def find(self, word: str) -> Key | None:
        """The key that a client sent, found in a time that does not depend on it."""
        digest, found = _digest(word), None
        for known, key in self._keys.items():
            if hmac.compare_digest(digest, known):
                found = key
        if found is not None:
            self.lengths.add(len(word))
        return found

    def hold(self, word: str) -> bool:
        """Whether `word` is one of them. For texts of our own: how long it takes may depend on the word."""
        return _digest(word) in self._keys

    def check_models(self, served: Iterable[str]) -> None:
        """Refuse keys to models that are not there.

        Raises:
            UsageError: a key opens a model that is none of `served`.
        """
        known = set(served)
        for key in self:
            if unknown := sorted({*(key.models or ())} - known):
                wrong = f"key {key.name!r} opens {unknown[0]!r}; choose from {', '.join(sorted(known))}"
                raise UsageError(f"the models of a key must be served, but {wrong}")


def _in_file(path: Path) -> list[Read]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"a key file must be readable at {path}, but: {reason}; check the path") from None
    is_toml = path.suffix == ".toml" or TABLES.search(text) is not None
    read = _in_tables(text, path) if is_toml else _in_lines(text, path)
    if not read:
        how = "a table [[keys]]" if is_toml else "one on a line of its own"
        raise UsageError(f"a key file must hold at least one key, but {path} holds none; add {how}")
    return read


def _in_lines(text: str, path: Path) -> list[Read]:
    numbered = enumerate((line.strip() for line in text.splitlines()), 1)
    return [_bare(word, f"key-{i}", f"{path}, line {i}") for i, word in numbered if word and not word.startswith("#")]


def _in_tables(text: str, path: Path) -> list[Read]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at (?:line \d+, column \d+|end of document)", str(error))
        raise UsageError(f"a key file in TOML must be TOML, but {path} is not {place[0] if place else ''}") from None
    tables = data.pop("keys", [])
    if data or not isinstance(tables, list):
        raise UsageError(f"a key file in TOML must hold tables [[keys]] and nothing else, but {path} holds more")
    return [_table(table, f"{path}, table {i}") for i, table in enumerate(tables, 1)]


def _bare(word: str, name: str, where: str) -> Read:
    """A key without limits."""
    if word.startswith("sha256:") and (hashed := HASHED.fullmatch(word)):
        return Key(name=name, digest=hashed[1]), None
    return Key(name=name, digest=_digest_of_key(word, where)), len(word)


def _table(table: object, where: str) -> Read:
    """A key with its limits. No error shows a value or a field's name, for either may be a key in a wrong place."""
    if not isinstance(table, dict) or not set(table) <= set(FIELDS):
        raise UsageError(f"{where}: a key must be a table of {', '.join(FIELDS)}, but it holds something else")
    if ("key" in table) == ("sha256" in table):
        raise UsageError(f"{where}: a key must be given as either key or sha256, in just one of the two")
    limits = {name: value for name, value in table.items() if name not in ("key", "sha256")}
    length = None
    if "key" in table:
        digest, length = _digest_of_key(table["key"], where), len(table["key"])
    elif hashed := HASHED.fullmatch(str(table["sha256"])):
        digest = hashed[1]
    else:
        raise UsageError(f"{where}: sha256 must be 64 hexadecimal digits in lower case, as sha256sum prints them")
    if isinstance(name := limits.get("name"), str) and _digest(name).hex() == digest:
        raise UsageError(f"{where}: a key must not be its own name, for names are shown; call it by who has it")
    try:
        return Key.model_validate({**limits, "digest": digest}), length
    except ValidationError as error:
        raise UsageError(f"{where}: a key must be valid, but {_problems(error)}; mend it there") from None


def _problems(error: ValidationError) -> str:
    """What is wrong in which field, without the value."""
    issues = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in issues)


def _digest_of_key(word: object, where: str) -> str:
    if not isinstance(word, str) or not WORD.fullmatch(word):
        raise UsageError(f"a key must be 8 to 256 visible ASCII characters, but the one in {where} is not; replace it")
    return _digest(word).hex()


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode("utf-8", "replace")).digest()
