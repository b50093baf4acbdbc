"""Verifiers by name, as data, and a room that costs little to enter."""

import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.verifiers import (
    VERIFIERS,
    AbacusChecker,
    AnyVerifier,
    ExactMatch,
    MathAnswer,
    ProcessReward,
    SymbolicAnswer,
    Verifier,
)

HEAVY = (
    "ray",
    "vllm",
    "torch",
    "openai",
    "fastapi",
    "datasets",
    "optuna",
    "aiohttp",
    "sympy",
    "math_verify",
    "jsonschema",
)


class Holder(BaseModel):
    verifier: AnyVerifier


@pytest.mark.parametrize(
    "verifier",
    [
        AbacusChecker(),
        ExactMatch(),
        ExactMatch(answer=SymbolicAnswer(cpu_s=1)),
        MathAnswer(cpu_s=1),
        ProcessReward(engine="prm", aggregate="geometric_mean", card={"separator": "\n\n", "link": "sigmoid"}),
    ],
    ids=lambda verifier: verifier.name,
)
def test_a_verifier_is_data(verifier: Verifier) -> None:
    saved = Holder(verifier=verifier).model_dump(mode="json")
    assert Holder.model_validate(saved).verifier == verifier
    assert hash(verifier) == hash(VERIFIERS.build(saved["verifier"]))


def test_every_kind_is_registered_under_its_own_name() -> None:
    assert [VERIFIERS[kind].model_fields["kind"].default for kind in VERIFIERS.names()] == VERIFIERS.names()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"kind": "math_anser"}, "did you mean 'math_answer'"),
        ({"kind": "exact_match", "answer": {"kind": "nmber"}}, "did you mean 'number'"),
        ({"kind": "exact_match", "knob": 1}, "knob"),
        (3, "must be a table with a kind"),
    ],
)
def test_a_bad_verifier_is_refused(table: object, problem: str) -> None:
    with pytest.raises((UsageError, ValidationError), match=problem):
        Holder.model_validate({"verifier": table})


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = f"import sys, ponder.verifiers; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
