"""Writes docs/strategies/: a page for each registered strategy, from its docstring, its knobs and its conformance case.

Run it after changing any of them: ``python docs/strategy_pages.py``; a test compares the pages byte for byte.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.shape import Plan, Shape
from ponder.strategies import STRATEGIES, Strategy

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "strategies"
CASES = ROOT / "tests" / "conformance" / "test_strategies.py"
LABELS = ("Family", "When it pays", "Cost", "Source", "Departs")
FAMILIES = (
    "parallel sampling",
    "adaptive stopping",
    "stepwise search",
    "tree search",
    "self-evaluation",
    "sequential",
    "composition",
    "selection",
)
LABEL = re.compile(rf"^({'|'.join(LABELS)}): *(.*)$")
KNOB = re.compile(r"^    (\w+): (.*)$")
PLURAL = re.compile(r"^(string|integer|number|verifier|table)\b")
JUDGES = ("verifier", "executor")
NOUNS = {
    "Verifier": "verifier",
    "Executor": "executor",
    "AnswerKey": "answer key",
    "Strategy": "strategy",
    "Sample": "sample",
}
LONGEST = 60
ARXIV = re.compile(r"arXiv:? ?(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Docstring:
    """What the docstring of a strategy says: in short, at length, under each label, and of each knob."""

    summary: str
    paragraphs: tuple[str, ...]
    sections: Mapping[str, str]
    knobs: Mapping[str, str]


def docstring_of(cls: type) -> Docstring:
    """The docstring of a class, in its parts; a paragraph is one line."""
    text, _, knobs = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\nArgs:\n")
    sections: dict[str, list[str]] = {}
    free: list[list[str]] = [[]]
    into = free[0]
    for line in text.splitlines():
        if label := LABEL.match(line):
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
            told |= docstring_of(each).knobs
    return told


def cases() -> dict[str, Strategy]:
    """The strategies that the conformance suite is run on, by their names there."""
    spec = importlib.util.spec_from_file_location("conformance_cases", CASES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Strategy] = module.CASES
    return found


def pages() -> dict[str, str]:
    """The text of every page, by its file's name."""
    examples = cases()
    written = {f"{kind}.md": page(kind, examples[kind]) for kind in STRATEGIES.names()}
    return {"README.md": overview(), **written}


def page(kind: str, example: Strategy) -> str:
    """The page of one strategy."""
    cls = STRATEGIES[kind]
    told = docstring_of(cls)
    parts = [f"# {kind}", told.summary, *told.paragraphs]
    parts += [f"**{label}:** {_linked(told.sections[label])}" for label in LABELS]
    parts += ["## Knobs", _knobs(cls), "## Example", f"```toml\n# {kind}.toml\n{example_of(example)}```"]
    parts.append(f"In Python: `ponder.strategies.{cls.__name__}`. [All strategies](README.md)")
    return "\n\n".join(parts) + "\n"


def _knobs(cls: type[Strategy]) -> str:
    schema, told = cls.model_json_schema(), meanings(cls)
    rows = []
    for name, field in cls.model_fields.items():
        if name != "kind":
            default = "required" if field.is_required() else _code(_plain(field.get_default(call_default_factory=True)))
            rows.append((f"`{name}`", _type(schema["properties"][name]), default, told[name]))
    return _table(("knob", "type", "default", "meaning"), rows)


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: ``integer, 1 to 4096``."""
    if ref := schema.get("$ref", ""):
        return NOUNS.get(ref.rpartition("/")[2], "table")
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(f'`"{each}"`' for each in schema.get("enum", [schema.get("const")]))
    kind = {"null": "none", "object": "table", "array": "list"}.get(schema.get("type", ""), schema.get("type", "any"))
    if kind == "list" and "items" in schema:
        items = PLURAL.sub(r"\1s", _type(schema["items"])).replace("strategy", "strategies")
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
    return {0: "", 1: ", not empty"}.get(least, f", at least {least}")


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}".replace(",", "_")


def example_of(strategy: Strategy) -> str:
    """The TOML of a pipeline that runs a strategy on simulated engines, without what is as by default."""
    pipeline = strategy if isinstance(strategy, Pipeline) else Pipeline.series(strategy)
    parts = []
    for node in pipeline.nodes:
        name = node.name if len(pipeline.nodes) > 1 else node.strategy.kind
        after = {"after": list(node.after)} if node.after else {}
        parts += [_entries("[[nodes]]", {"name": name, **after}), _entries("[nodes.strategy]", _plain(node.strategy))]
    for name in pipeline.engine_names():
        noise = {} if name == "generator" else {"reward_noise": 1.0}
        parts.append(_entries(f"[engines.{name}]", {"kind": "simulated", **noise}))
    return "\n".join(parts)


def _entries(head: str, table: Mapping[str, Any]) -> str:
    return "".join([f"{head}\n", *(f"{key} = {_inline(value)}\n" for key, value in table.items())])


def _inline(value: Any) -> str:
    """A value of TOML in one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_inline(item)}' for key, item in value.items())} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _plain(value: Any) -> Any:
    """Plain data of a model: its kind, and what differs from the defaults."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        knobs = {name: getattr(value, name) for name in fields}
        kept = {name: knob for name, knob in knobs.items() if name == "kind" or _is_set(fields[name], knob)}
        return {name: _plain(knob) for name, knob in kept.items()}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _is_set(field: Any, knob: Any) -> bool:
    return bool(field.is_required() or knob != field.get_default(call_default_factory=True))


def overview() -> str:
    """The page that compares all strategies."""
    rows, examples = [], cases()
    for kind in sorted(STRATEGIES.names(), key=lambda kind: (FAMILIES.index(_told(kind)["Family"]), kind)):
        told, cls = _told(kind), STRATEGIES[kind]
        summary = docstring_of(cls).summary.removesuffix(".")
        needs = (works_on(examples[kind]), *costs_of(told["Cost"]), _judge(cls), _answer(cls))
        rows.append((f"[`{kind}`]({kind}.md)", told["Family"], summary, *needs))
    head = ("kind", "family", "what it does", "works on", "calls", "depth", "judge", "answer key")
    return OVERVIEW.format(table=_table(head, rows))


def _told(kind: str) -> Mapping[str, str]:
    return docstring_of(STRATEGIES[kind]).sections


def costs_of(text: str) -> tuple[str, str]:
    """The calls and the depth that a section on cost begins with.

    Raises:
        ValueError: it does not begin with ``<calls>; depth <depth>.``.
    """
    found = re.match(r"(.+?); depth (.+?)(?:\.(?: |$)|; )", text)
    if found is None:
        raise ValueError(f"Cost must begin with '<calls>; depth <depth>.', got {text!r}")
    return found[1], found[2]


def works_on(example: Strategy) -> str:
    """What a strategy must be given, by the places that it refuses: the last node of its example is the strategy."""
    strategy = example.nodes[-1].strategy if isinstance(example, Pipeline) else example
    if not _fits(strategy, Shape()):
        return "candidates"
    return "query or candidates" if _fits(strategy, Shape(2, 2)) else "query"


def _fits(strategy: Strategy, shape: Shape) -> bool:
    try:
        strategy.infer(shape, Plan())
    except ShapeError:
        return False
    return True


def _judge(cls: type[Strategy]) -> str:
    fields = {what: [f for n, f in cls.model_fields.items() if _is_a(cls, n, what)] for what in JUDGES}
    if required := [what for what, found in fields.items() if any(field.is_required() for field in found)]:
        return " and ".join(required)
    every = [field for found in fields.values() for field in found]
    kinds = [default.kind for field in every if (default := field.get_default()) is not None]
    return f"`{kinds[0]}` by default" if kinds else "optional" if every else "no"


def _answer(cls: type[Strategy]) -> str:
    return "yes" if any(_is_a(cls, name, "answer key") for name in cls.model_fields) else "no"


def _is_a(cls: type[Strategy], knob: str, what: str) -> bool:
    return _type(cls.model_json_schema()["properties"][knob]) in (what, f"{what} or none")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _code(value: Any) -> str:
    """A default as TOML has it, in one short line of code."""
    if value is None:
        return "none"
    text = _inline(value)
    return "a prompt of its own" if len(text) > LONGEST else f"`{text}`"


def _linked(text: str) -> str:
    return ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", text)


OVERVIEW = """# Strategies

Each is a way to spend compute on a query. A [pipeline](../pipelines.md) puts them one after the other or side by
side, and [your own](../write-a-strategy.md) is fifteen lines. `calls` counts generations and judgements; `depth` is
how many of them must wait for one another, which bounds the time to an answer.

{table}

`works on` says what must come before: the query alone, or candidates that earlier nodes drew. Where `judge` is
"verifier" or "executor" one must be named (an executor runs candidates, such as programs; ponder ships only the one of
the simulated engine, so bring your own, a subclass of `ponder.orchestrator.verifier.Executor`); one that is "optional"
changes what the strategy does. The examples of the pages run on the simulated engine, which answers its own problems
and nothing else: asked for a critique, a ranking or a test it cannot reply, and the run says so. Whatever ends a run
early, the best that was drawn is the answer. Candidates without an answer never vote. A score that is "cannot tell"
comes after every other; ties go to the higher score, then to fewer generated tokens, then to the lower index.

These pages are written by `docs/strategy_pages.py` from what the classes say of themselves.
"""


def main() -> None:
    """Write all pages, and drop those of strategies that are gone."""
    written = pages()
    for file in PAGES.glob("*.md"):
        if file.name not in written:
            file.unlink()
    for name, text in written.items():
        (PAGES / name).write_text(text)


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    main()
