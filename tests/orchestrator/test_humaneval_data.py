"""HumanEval as data: all of it, read without running any of its code."""

import subprocess
import sys

from pydantic import TypeAdapter

from ponder.orchestrator.data.humaneval import humaneval_queries, load_humaneval
from ponder.orchestrator.data.sources import AnyData, check_references


def test_the_problems_are_a_data_set_and_queries_with_checks():
    rows = load_humaneval()
    assert rows.column_names == ["task_id", "prompt", "entry_point", "canonical_solution", "test"]
    queries = check_references(humaneval_queries())
    assert len(queries) == len(rows) == 164 and humaneval_queries(rows) == queries
    [test] = queries[2].tests
    assert (queries[2].id, test.entry_point, test.is_public) == ("HumanEval/2", "truncate_number", False)
    assert test.prefix == rows[2]["prompt"] and test.code == rows[2]["test"]
    assert all(query.messages[0].content.endswith(f"```python\n{query.tests[0].prefix}```\n") for query in queries)


def test_a_sweep_names_them_by_kind():
    loaded = TypeAdapter(AnyData).validate_python({"kind": "human_eval", "size": 3}).load()
    assert loaded == humaneval_queries()[:3]


def test_no_code_that_runs_programs_without_walls_is_imported():
    code = (
        "import sys, ponder.orchestrator.data.humaneval as h; h.humaneval_queries()\nprint('human_eval' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
