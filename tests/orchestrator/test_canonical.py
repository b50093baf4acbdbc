"""One spelling for every value, in every process."""

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.orchestrator.canonical import canonical_json, digest, stable_id
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.types import Message, Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(table, random) -> None:
    items = list(table.items())
    assert digest(dict(random.sample(items, len(items)))) == digest(table)


def test_models_and_dataclasses_are_their_fields() -> None:
    message = Message(role="user", content="hi")
    assert canonical_json(message) == b'{"content":"hi","role":"user"}'
    assert canonical_json((message,)) == canonical_json([{"role": "user", "content": "hi"}])
    assert canonical_json(Usage(calls=2)).startswith(b'{"prompt_tokens":0,"cached_tokens":0,')
    assert canonical_json(b"\x01\xff") == b'"01ff"'


def test_parts_are_kept_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest(["a", "bc"])
    assert len(digest()) == 16


def test_what_has_no_spelling_is_refused() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        canonical_json(Decimal(1))


def test_an_id_is_the_same_in_every_process() -> None:
    code = (
        "from ponder.orchestrator.canonical import stable_id; from ponder.orchestrator.engine import Sampling\n"
        "print(stable_id({'b': Sampling(temperature=0.7), 'a': {1: (2, None)}}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert found == {stable_id({"a": {1: (2, None)}, "b": Sampling(temperature=0.7)})}
