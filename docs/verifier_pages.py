"""Writes docs/verifiers/ and docs/answers.md: a page for each registered verifier, and one for all answer keys.

Each comes from the docstring of the class, its knobs and its conformance case. Run it after changing any of them:
``python docs/verifier_pages.py``; a test compares the pages byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from class_pages import LONGEST, cases_in, docstring_of, entries, image_engine, knob_table, linked, plain, table, write
from pydantic import BaseModel

from ponder.orchestrator.engines.image_models import ImageModelSpec, PixelClassifier, PixelSpread
from ponder.orchestrator.types import Query
from ponder.strategies import SVDD, BestOfN, SelfConsistency, Strategy
from ponder.testing import Bench
from ponder.verifiers import ANSWERS, VERIFIERS, AnswerKey, Function, ImageClass, SymbolicAnswer, Verifier

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "verifiers"
ANSWER_PAGE = ROOT / "docs" / "answers.md"
CASES = ROOT / "tests" / "conformance" / "test_verifiers.py"
LABELS = ("Evidence", "When to trust it", "Cost", "Source", "Departs")
FAMILIES = {
    "rules": ("exact_match", "numeric_match", "math_answer", "regex_match", "json_schema", "function", "abacus"),
    "code": ("python_code", "simulated_code"),
    "reward models": ("process_reward", "outcome_reward"),
    "judges": ("scalar_judge", "rubric", "generative_reward", "pairwise_judge", "listwise_judge"),
    "self-evaluation": ("self_evaluation", "self_certainty", "confidence", "sequence_logprob"),
    "ensembles": ("weighted", "quantile_ensemble", "rank_ensemble"),
    "calibration": ("calibrated",),
    "images": ("class_logprob", "image_class", "image_reward", "preview_agreement"),
}
ORDER = [kind for kinds in FAMILIES.values() for kind in kinds]
DRAWN = {"n": 4, "max_tokens": 48}
MADE = {"n": 4, "conditional": False}
LOOKS = {"image_reward": PixelSpread()}
"""Image models that examples look with; the embedded classifier where none is named."""
IMPORTS = {
    "Digits": "ponder.orchestrator.engines.denoisers",
    "PixelClassifier": "ponder.orchestrator.engines.image_models",
    "PixelSpread": "ponder.orchestrator.engines.image_models",
}
FUNCTION = """```python
# file: brevity.py
def brevity(text, query):
    return 1 / (1 + len(text))
```"""


def cases() -> dict[str, tuple[Verifier, Bench]]:
    """The verifiers that the conformance suite is run on, each with its bench, by their names there."""
    found: dict[str, tuple[Verifier, Bench]] = cases_in(CASES)
    return found


def pages() -> dict[str, str]:
    """The text of every page of a verifier, by its file's name."""
    examples = cases()
    written = {f"{kind}.md": page(kind, *examples[kind], scales(kind, examples)) for kind in VERIFIERS.names()}
    return {"README.md": overview(examples), **written}


def scales(kind: str, examples: Mapping[str, tuple[Verifier, Bench]]) -> str:
    """What the numbers of a verifier mean, as its examples declare it."""
    return " or ".join(sorted({each.score_scale for each in _alike(kind, examples)}))


def _alike(kind: str, examples: Mapping[str, tuple[Verifier, Bench]]) -> list[Verifier]:
    return [verifier for name, (verifier, _) in examples.items() if name.partition("-")[0] == kind]


def page(kind: str, example: Verifier, bench: Bench, scale: str) -> str:
    """The page of one verifier, whose numbers are on a `scale`."""
    cls = VERIFIERS[kind]
    told = docstring_of(cls, LABELS)
    parts = [f"# {kind}", told.summary, *told.paragraphs]
    parts += [f"**{label}:** {linked(told.sections[label])}" for label in LABELS]
    parts.append(f"**Scale:** {scale}{' by default, else as `scale` says' if 'scale' in cls.model_fields else ''}.")
    parts += ["## Knobs", *_knobs(cls), "## Example"]
    if isinstance(example, Function):
        example = Function(function="brevity:brevity")
        parts.append(FUNCTION)
    if isinstance(example, ImageClass):
        example = ImageClass(model=PixelClassifier())
    parts += [f"```toml\n# {kind}.toml\n{toml_of(example)}```", f"```python\n{python_of(example, bench.query)}```"]
    parts.append("[All verifiers](README.md)")
    return "\n\n".join(parts) + "\n"


def _knobs(cls: type[BaseModel]) -> Iterator[str]:
    """The table of a class's knobs, and those of the tables among them."""
    yield knob_table(cls) if set(cls.model_fields) - {"kind"} else "It has none."
    for name, field in cls.model_fields.items():
        for part in _tables(field.annotation):
            kind = f' of kind `"{part.model_fields["kind"].default}"`' if "kind" in part.model_fields else ""
            yield f"`{name}`{kind} as a table. {docstring_of(part, ()).summary}"
            yield knob_table(part)


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:
    """The classes of plain tables in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        is_abstract = "kind" in annotation.model_fields and annotation.model_fields["kind"].is_required()
        if not is_abstract and not issubclass(annotation, (Verifier, AnswerKey)):
            yield annotation
    else:
        for part in get_args(annotation):
            yield from _tables(part)


def toml_of(verifier: Verifier) -> str:
    """The TOML of a pipeline that judges by a verifier, on simulated engines, or images by embedded models."""
    strategy = _judged_by(verifier)
    parts = [entries("[[nodes]]", {"name": strategy.kind}), entries("[nodes.strategy]", plain(strategy))]
    for name in _engines(strategy):
        table = image_engine(name, _looking(verifier).kind) if isinstance(strategy, SVDD) else {"kind": "simulated"}
        parts.append(entries(f"[engines.{name}]", table))
    return "\n".join(parts)


def python_of(verifier: Verifier, query: Query) -> str:
    """The like in Python, asking the query of the verifier's bench."""
    strategy, knobs = _judged_by(verifier), DRAWN
    specs = {name: "ponder.SimulatedSpec()" for name in _engines(strategy)}
    if isinstance(strategy, SVDD):
        knobs, query = MADE, Query.ask("a handwritten 3")
        specs = {name: f"ponder.ImageRewardSpec(model={source(_looking(verifier))})" for name in specs}
        specs["generator"] = "ponder.DiffusionSpec(denoiser=Digits())"
    made = (
        f"{type(strategy).__name__}({', '.join(f'{name}={value}' for name, value in knobs.items())}, verifier=verifier)"
    )
    body = [f"verifier = {source(verifier)}", *_asked(query)]
    body += [*_engines_in(specs), f"result = ponder.run({made}, query, engines=engines)"]
    body.append("print(result.best.scores[verifier.name])")
    return "\n".join([*_imports(verifier, strategy, query, "\n".join(body)), "", *body]) + "\n"


def _engines_in(specs: Mapping[str, str]) -> list[str]:
    """The lines that name engines: one, or one an engine where that would be long."""
    pairs = [f'"{name}": {spec}' for name, spec in specs.items()]
    line = f"engines = {{{', '.join(pairs)}}}"
    return [line] if len(line) <= LONGEST else ["engines = {", *(f"    {pair}," for pair in pairs), "}"]


def _imports(verifier: Verifier, strategy: Strategy, query: Query, body: str) -> list[str]:
    """The lines that import what an example needs."""
    names = sorted({*_classes(verifier)} - set(IMPORTS), key=str.lower)
    tests = sorted({type(test).__name__ for test in query.tests})
    found = [f"from ponder.orchestrator.code_tests import {', '.join(tests)}"] if tests else []
    found += [f"from {home} import {name}" for name, home in IMPORTS.items() if f"{name}(" in body]
    found.append(f"from ponder.strategies import {type(strategy).__name__}")
    return ["import ponder", *found, f"from ponder.verifiers import {', '.join(names)}"]


def _judged_by(verifier: Verifier) -> Strategy:
    """What makes something for a verifier to judge."""
    if "text" in verifier.judges:
        return BestOfN(verifier=verifier, **DRAWN)
    return SVDD(verifier=verifier, **MADE)


def _looking(verifier: Verifier) -> ImageModelSpec:
    return LOOKS.get(verifier.kind, PixelClassifier())


def _engines(strategy: Strategy) -> list[str]:
    return list(dict.fromkeys(strategy.engine_names()))


def _asked(query: Query) -> list[str]:
    """The lines that make a query."""
    reference = f", reference={source(query.reference)}" if query.reference is not None else ""
    tests = ["tests = (", *(f"    {source(test)}," for test in query.tests), ")"] if query.tests else []
    given = ", tests=tests" if tests else ""
    return [*tests, f"query = ponder.Query.ask({source(query.messages[0].content)}{reference}{given})"]


def source(value: Any) -> str:
    """What makes a value, in Python; knobs that are as by default are left out."""
    if isinstance(value, BaseModel):
        knobs = {name: getattr(value, name) for name in plain(value) if name != "kind"}
        return f"{type(value).__name__}({', '.join(f'{name}={source(knob)}' for name, knob in knobs.items())})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{source(key)}: {source(item)}' for key, item in value.items())}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(source, value))}{',' if len(value) == 1 else ''})"
    text = repr(value)
    return text if not isinstance(value, str) or '"' in text else f'"{text[1:-1]}"'


def _classes(value: Any) -> Iterator[str]:
    """The names of the classes that `source` needs."""
    if isinstance(value, BaseModel):
        yield type(value).__name__
        for name in plain(value):
            yield from _classes(getattr(value, name))
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from _classes(part)


def overview(examples: Mapping[str, tuple[Verifier, Bench]]) -> str:
    """The page that compares all verifiers."""
    rows = []
    for family, kinds in FAMILIES.items():
        for kind in kinds:
            told = docstring_of(VERIFIERS[kind], LABELS)
            alike = _alike(kind, examples)
            needs = (_said([each.needs_reference for each in alike]), _said([each.is_relative for each in alike]))
            looks_at, costs = _clause(told.sections["Evidence"]), _clause(told.sections["Cost"])
            rows.append(
                (
                    f"[`{kind}`]({kind}.md)",
                    family,
                    told.summary.removesuffix("."),
                    looks_at,
                    scales(kind, examples),
                    costs,
                    *needs,
                )
            )
    head = ("kind", "family", "what it says", "looks at", "scale", "cost", "needs a reference", "compares")
    return OVERVIEW.format(table=table(head, rows))


def _clause(text: str) -> str:
    """How a section begins: up to the end of its first clause."""
    return re.split(r"[.;:](?: |$)", text, maxsplit=1)[0]


def _said(found: list[bool]) -> str:
    return "by its knobs" if len(set(found)) > 1 else "yes" if found[0] else "no"


def answer_page() -> str:
    """The page of all answer keys."""
    parts = [ANSWER_HEAD]
    for kind in ANSWERS.names():
        cls = ANSWERS[kind]
        told = docstring_of(cls, LABELS)
        parts += [f"## {kind}", told.summary, *told.paragraphs]
        if set(cls.model_fields) - {"kind"}:
            parts.append(knob_table(cls))
        parts.append(f"In Python: `ponder.verifiers.{cls.__name__}`.")
    example = SelfConsistency(answer=SymbolicAnswer(), **DRAWN)
    nodes = [entries("[[nodes]]", {"name": "vote"}), entries("[nodes.strategy]", plain(example))]
    toml = "\n".join([*nodes, entries("[engines.generator]", {"kind": "simulated"})])
    parts += ["## Example", f"```toml\n# answers.toml\n{toml}```", ANSWER_TAIL]
    return "\n\n".join(parts) + "\n"


OVERVIEW = """# Verifiers

Each is a way to judge an attempt, by one kind of evidence. A score is a number, or None where the verifier cannot
tell, and then says why: a failure costs one score, never the run, and never passes for a bad attempt. What judging
costs is counted in the budget as `verifier_calls` and tokens, and the same judgement is paid once in a run, wherever
it is asked. [How far to trust one](../trust-your-verifier.md) can be measured, and [your own](../write-a-verifier.md)
is thirty lines.

{table}

Where `needs a reference` is "yes", a query without one is not judged. One that `compares` scores candidates against
those judged with them: its scores mean nothing alone, so only `best_of_n` (without `weighted`) and `rank` take it. The
examples of the pages run on the simulated engine, which answers its own problems: it tells the chance of a yes or a no,
and reads steps as a reward model. It cannot read a response as a whole, rate it by a digit or write a verdict: there
the score is None, and says so. Those of images judge embedded digits. What counts as the same answer is the business of
[answer keys](../answers.md).

These pages are written by `docs/verifier_pages.py` from what the classes say of themselves.
"""
ANSWER_HEAD = """# Answer keys

An answer key reads the answer from a text and spells it in one way, so that equal answers are equal strings: votes
count them, [`exact_match`](verifiers/exact_match.md) compares them with the reference. A text in which it finds none
abstains, and never votes. Being equal is an equivalence by construction; a check of two answers, such as that of
[`math_answer`](verifiers/math_answer.md), need not be one, so it grades and never groups."""
ANSWER_TAIL = """A key of your own is a subclass of `ponder.verifiers.AnswerKey` with a `kind` and `key(text)`, offered
by the entry point `ponder.answers`. This page is written by `docs/verifier_pages.py` from what the classes say of
themselves."""

if __name__ == "__main__":
    write(PAGES, pages())
    ANSWER_PAGE.write_text(answer_page())
