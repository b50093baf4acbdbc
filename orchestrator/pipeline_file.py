"""Pipelines as files and pictures: TOML, Mermaid and plain text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from .errors import UsageError
from .pipeline import Pipeline
from .wording import in_words


def save(pipeline: Pipeline, path: str | Path) -> None:
    """Write `pipeline` as TOML; `load` gives an equal one back."""
    Path(path).write_text(to_toml(pipeline), encoding="utf-8")


def load(path: str | Path) -> Pipeline:
    """The pipeline in a TOML file.

    Raises:
        UsageError: no such file, no TOML, or no sound pipeline.
    """
    data = read_toml(path)
    if "space" in data:
        raise UsageError(f"{path} must be a pipeline, but it is a sweep; run: ponder sweep {path}")
    if "points" in data:
        raise UsageError(f"{path} must be a pipeline, but it is a frontier; run: ponder serve {path}")
    try:
        return Pipeline.model_validate({"name": Path(path).stem, **data}).check()
    except ValidationError as error:
        raise UsageError.from_validation(f"the pipeline in {path}", error) from None
    except UsageError as error:
        error.args = (f"{path}: {error}",)
        raise


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UsageError: no such file, or no TOML.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"a file must be readable at {path}, but: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} must be TOML, but: {error}; mend it there") from None
    if wide := next((number for number in _integers(data) if not -(2**63) <= number < 2**63), None):
        raise UsageError(f"{path} must be TOML, whose integers fit in 64 bits, but holds {wide}; write a smaller one")
    return data


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _integers(part)
    elif isinstance(value, int):
        yield value


def to_toml(pipeline: Pipeline) -> str:
    """The TOML of a pipeline; knobs left at None are left out."""
    return tomli_w.dumps(without_none(pipeline.model_dump(mode="json")))


def without_none(value: Any) -> Any:
    """`value` without the entries that are None, which TOML cannot say."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


def to_mermaid(pipeline: Pipeline) -> str:
    """The graph in Mermaid's flowchart language; nodes are numbered there, since a name may be one of its words."""
    ids = {node.name: f"n{number}" for number, node in enumerate(pipeline.nodes, 1)}
    lines = ["flowchart LR", "    query([query])"]
    for node in pipeline.nodes:
        lines.append(f'    {ids[node.name]}["{_mermaid_text(f"{node.name}: {in_words(node.strategy)}")}"]')
        lines += [f"    {before} --> {ids[node.name]}" for before in [ids[name] for name in node.after] or ["query"]]
    return "\n".join(lines)


def _mermaid_text(text: str) -> str:
    """`text` as it may stand in quotes: what means something to Mermaid by its number, nothing unprintable.

    >>> _mermaid_text('stop="a" #1')
    'stop=#34;a#34; #35;1'
    """
    shown = (c if c.isprintable() else " " for c in text)
    return "".join(f"#{ord(c)};" if c in '"#<>&`' else c for c in shown)


def to_text(pipeline: Pipeline) -> str:
    """The graph as plain text, one node a line."""
    lines = [f"{pipeline.name} ({pipeline.id})"]
    for node in pipeline.nodes:
        lines.append(f"  {' + '.join(node.after) or 'query'} -> {node.name}: {in_words(node.strategy)}")
    for name, engine in pipeline.engines.items():
        model = getattr(engine, "model", None)
        lines.append(f"  engine {name}: {engine.kind}" + (f" {model}" if isinstance(model, str) else ""))
    return "\n".join(lines)
