"""Writes docs/strategies/: a page for each registered strategy, from its docstring, its knobs and its conformance case.

Run it after changing any of them: ``python docs/strategy_pages.py``; a test compares the pages byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from class_pages import cases_in, docstring_of, entries, image_engine, knob_table, linked, plain, table, type_of, write

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
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
    "noise search",
    "stepwise denoising",
)
JUDGES = ("verifier", "executor")


def cases() -> dict[str, Strategy]:
    """The strategies that the conformance suite is run on, by their names there."""
    return cases_in(CASES)


def pages() -> dict[str, str]:
    """The text of every page, by its file's name."""
    examples = cases()
    written = {f"{kind}.md": page(kind, examples[kind]) for kind in STRATEGIES.names()}
    return {"README.md": overview(), **written}


def page(kind: str, example: Strategy) -> str:
    """The page of one strategy."""
    cls = STRATEGIES[kind]
    told = docstring_of(cls, LABELS)
    parts = [f"# {kind}", told.summary, *told.paragraphs]
    parts += [f"**{label}:** {linked(told.sections[label])}" for label in LABELS]
    parts += ["## Knobs", knob_table(cls), "## Example", f"```toml\n# {kind}.toml\n{example_of(example)}```"]
    parts.append(f"In Python: `ponder.strategies.{cls.__name__}`. [All strategies](README.md)")
    return "\n\n".join(parts) + "\n"


def example_of(strategy: Strategy) -> str:
    """The TOML of a pipeline that runs a strategy on simulated engines, or on embedded models of images.

    What is as by default is left out.
    """
    pipeline = strategy if isinstance(strategy, Pipeline) else Pipeline.series(strategy)
    parts = []
    for node in pipeline.nodes:
        name = node.name if len(pipeline.nodes) > 1 else node.strategy.kind
        after = {"after": list(node.after)} if node.after else {}
        parts += [entries("[[nodes]]", {"name": name, **after}), entries("[nodes.strategy]", plain(node.strategy))]
    makes = pipeline.infer(Shape(), Plan()).medium
    for name in pipeline.engine_names():
        parts.append(entries(f"[engines.{name}]", image_engine(name) if makes == "image" else _simulated(name)))
    return "\n".join(parts)


def _simulated(name: str) -> Mapping[str, object]:
    return {"kind": "simulated"} if name == "generator" else {"kind": "simulated", "reward_noise": 1.0}


def overview() -> str:
    """The page that compares all strategies."""
    rows, examples = [], cases()
    for kind in sorted(STRATEGIES.names(), key=lambda kind: (FAMILIES.index(_told(kind)["Family"]), kind)):
        told, cls = _told(kind), STRATEGIES[kind]
        summary = docstring_of(cls, LABELS).summary.removesuffix(".")
        needs = (works_on(examples[kind]), *costs_of(told["Cost"]), _judge(cls), _answer(cls))
        rows.append((f"[`{kind}`]({kind}.md)", told["Family"], summary, *needs))
    head = ("kind", "family", "what it does", "works on", "calls", "depth", "judge", "answer key")
    return OVERVIEW.format(table=table(head, rows))


def _told(kind: str) -> Mapping[str, str]:
    return docstring_of(STRATEGIES[kind], LABELS).sections


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
    return type_of(cls.model_json_schema()["properties"][knob]) in (what, f"{what} or none")


OVERVIEW = """# Strategies

Each is a way to spend compute on a query. A [pipeline](../pipelines.md) puts them one after the other or side by
side, and [your own](../write-a-strategy.md) is fifteen lines. `calls` counts generations and judgements; `depth` is
how many of them must wait for one another, at most, which bounds the time to an answer. A judgement counts 1 there; one
by rules counts nothing, and a judge that asks in rounds as many as its [page](../verifiers/README.md) says. It is the
critical path that `--dry-run` tells.

{table}

`works on` says what must come before: the query alone, or candidates that earlier nodes drew. Where `judge` is
"verifier" or "executor" one must be named (an executor runs candidates, such as programs; ponder ships only the one of
the simulated engine, so bring your own, a subclass of `ponder.orchestrator.verifier.Executor`); one that is "optional"
changes what the strategy does. The examples of the pages run on the simulated engine, which answers its own problems
and nothing else: asked for a critique, a ranking or a test it cannot reply, and the run says so. Those that make images
run on the embedded digits: they work on a query such as "a handwritten 3". Whatever ends a run
early, the best that was drawn is the answer. Candidates without an answer never vote. A score that is "cannot tell"
comes after every other; ties go to the higher score, then to fewer generated tokens, then to the lower index.

These pages are written by `docs/strategy_pages.py` from what the classes say of themselves.
"""


if __name__ == "__main__":
    write(PAGES, pages())
