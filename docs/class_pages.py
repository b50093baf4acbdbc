"""What pages of classes are made of: docstrings in their parts, tables of knobs, and examples in TOML and Python."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

KNOB = re.compile(r"^    (\w+): (.*)$")
PLURAL = re.compile(r"^(string|integer|number|verifier|table)\b")
NOUNS = {
    "Verifier": "verifier",
    "Executor": "executor",
    "AnswerKey": "answer key",
    "Strategy": "strategy",
    "Sample": "sample",
}
LONGEST = 120
ARXIV = re.compile(r"arXiv:? ?(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Docstring:
    """What the docstring of a class says: in short, at length, under each label, and of each knob."""

    summary: str
    paragraphs: tuple[str, ...]
    sections: Mapping[str, str]
    knobs: Mapping[str, str]


def docstring_of(cls: type, labels: Sequence[str]) -> Docstring:
    """The docstring of a class, in its parts; a paragraph is one line, a label begins a section."""
    text, _, knobs = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\nArgs:\n")
    begins = re.compile(rf"^({'|'.join(labels) or '(?!)'}): *(.*)$")
    sections: dict[str, list[str]] = {}
    free: list[list[str]] = [[]]
    into = free[0]
    for line in text.splitlines():
        if label := begins.match(line):
            into = sections.setdefault(label[1], [])
            into.append(label[2])
        elif line.strip():
            into.append(line.strip())
        else:
            into = []
            free.append(into)
    joined = [" ".join(paragraph) for paragraph in free if paragraph]
    told = {label: " ".join(lines).strip() for label, lines in sections.items()}
    return Docstring(joined[0] if joined else "", tuple(joined[1:]), told, _knobs_told(knobs))


def _knobs_told(text: str) -> dict[str, str]:
    told: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if entry := KNOB.match(line):
            name, told[entry[1]] = entry[1], entry[2]
        elif line.strip() and name:
            told[name] += " " + line.strip()
    return told


def meanings(cls: type) -> dict[str, str]:
    """What each knob means, by the nearest class that tells it."""
    told: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if issubclass(each, BaseModel):
            told |= docstring_of(each, ()).knobs
    return told


def cases_in(file: Path) -> dict[str, Any]:
    """The cases of a conformance suite, by their names there."""
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"{file.stem}_cases", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.CASES
    return found


def knob_table(cls: type[BaseModel]) -> str:
    """The knobs of a class, with their types, ranges, defaults and meanings."""
    schema, told = cls.model_json_schema(), meanings(cls)
    rows = []
    for name, field in cls.model_fields.items():
        if name != "kind":
            rows.append((f"`{name}`", type_of(schema["properties"][name]), _default(field), told[name]))
    return table(("knob", "type", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    """A default as TOML has it, in one short line of code."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) and "kind" not in type(value).model_fields and not plain(value):
        return "its defaults"
    if value is None:
        return "none"
    text = _inline(plain(value))
    return f"`{text}`" if len(text) <= LONGEST else "a prompt of its own" if isinstance(value, str) else "see there"


def type_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: ``integer, 1 to 4096``."""
    if ref := schema.get("$ref", ""):
        return NOUNS.get(ref.rpartition("/")[2], "table")
    if several := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(map(type_of, several)))
    if "enum" in schema or "const" in schema:
        return " or ".join(f'`"{each}"`' for each in schema.get("enum", [schema.get("const")]))
    kind = {"null": "none", "object": "table", "array": "list"}.get(schema.get("type", ""), schema.get("type", "any"))
    if kind == "list" and "items" in schema:
        items = PLURAL.sub(r"\1s", type_of(schema["items"])).replace("strategy", "strategies")
        return f"list of {items}" + _sizes(schema, "Items")
    return kind + _range(schema) + _sizes(schema, "Length")


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f", {_number(low)} to {_number(high)}"
    bounds = (("at least", low), ("above", above), ("at most", high), ("below", below))
    said = [f"{word} {_number(bound)}" for word, bound in bounds if bound is not None]
    return f", {' and '.join(said)}" if said else ""


def _sizes(schema: Mapping[str, Any], what: str) -> str:
    least = schema.get(f"min{what}", 0)
    return {0: "", 1: ", at least one" if what == "Items" else ", not empty"}.get(least, f", at least {least}")


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}".replace(",", "_")


def entries(head: str, values: Mapping[str, Any]) -> str:
    """A table of TOML."""
    return "".join([f"{head}\n", *(f"{key} = {_inline(value)}\n" for key, value in values.items())])


def _inline(value: Any) -> str:
    """A value of TOML in one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_inline(item)}' for key, item in value.items())} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def plain(value: Any) -> Any:
    """Plain data of a model: its kind, and what differs from the defaults."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        knobs = {name: getattr(value, name) for name in fields}
        kept = {name: knob for name, knob in knobs.items() if name == "kind" or _is_set(fields[name], knob)}
        return {name: plain(knob) for name, knob in kept.items()}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _is_set(field: FieldInfo, knob: Any) -> bool:
    return bool(field.is_required() or knob != field.get_default(call_default_factory=True))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def linked(text: str) -> str:
    """A text whose papers on arXiv are links."""
    return ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def write(folder: Path, written: Mapping[str, str]) -> None:
    """Write all pages of a folder, and drop those of classes that are gone."""
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.md"):
        if file.name not in written:
            file.unlink()
    for name, text in written.items():
        (folder / name).write_text(text)


def image_engine(name: str, looks: str = "pixel_classifier") -> Mapping[str, object]:
    """The table of an embedded model of images: what makes digits, or what looks at them."""
    if name == "generator":
        return {"kind": "diffusion", "denoiser": {"kind": "digits"}}
    return {"kind": "image_reward", "model": {"kind": looks}}
