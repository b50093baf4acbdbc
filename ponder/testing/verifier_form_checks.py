"""Checks of form: a verifier is data, asks whom it names, and says what it cannot judge."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import tomli_w
from pydantic import ValidationError

from ..orchestrator.canonical import stable_id
from ..orchestrator.pipeline_file import without_none
from ..orchestrator.verifier import Verifier
from ..verifiers import VERIFIERS
from .bench import Bench
from .judged import told
from .require import require


async def is_plain_data(verifier: Verifier, bench: Bench = Bench()) -> None:
    """It is frozen, has no other knobs than it says, and is rebuilt from its TOML and its JSON, under the same name."""
    table = tomllib.loads(tomli_w.dumps(without_none(verifier.model_dump(mode="json"))))
    json = type(verifier).model_validate_json(verifier.model_dump_json())
    for again in (type(verifier).model_validate(table), json):
        require(again == verifier, "a verifier must be rebuilt from its table", again)
        require(stable_id(again) == stable_id(verifier), "a verifier must keep its id", again)
        require(again.name == verifier.name, "a verifier must keep its name", (again.name, verifier.name))
    require(bool(verifier.name.strip()), "a verifier must have a name")
    if verifier.kind in VERIFIERS.names():
        require(VERIFIERS.build(table) == verifier, f"kind {verifier.kind!r} must be registered for this class")
    refuses = _refuses(lambda: type(verifier).model_validate({**table, "surprise": 1}))
    require(refuses, "a knob that it does not have must be refused")
    require(_refuses(lambda: setattr(verifier, "kind", verifier.kind)), "a verifier must be frozen")


def _refuses(change: Callable[[], object]) -> bool:
    try:
        change()
    except ValidationError:
        return True
    return False


async def can_be_checked_again(verifier: Verifier, bench: Bench = Bench()) -> None:
    """`check` passes where it can work, however often, and changes nothing."""
    before = verifier.model_dump_json()
    for _ in range(2):
        verifier.check()
    require(verifier.model_dump_json() == before, "check must change nothing", verifier)


async def asks_whom_it_names(verifier: Verifier, bench: Bench = Bench()) -> None:
    """It asks the engines that it names, and no other."""
    found = await told(verifier, await bench.candidates(verifier), bench.scene)
    asked, named = found.played.seen.engines, {*verifier.engine_names()}
    require(asked <= named, "a verifier must name the engines it asks", f"asked {asked}, named {named}")


async def needs_what_it_says(verifier: Verifier, bench: Bench = Bench()) -> None:
    """One that needs a reference says of a query without facts that it cannot judge; any other judges without."""
    candidates = await bench.candidates(verifier)
    without = bench.query.model_copy(update={"reference": None})
    if verifier.needs_reference:
        bare = without.model_copy(update={"metadata": {}, "tests": ()})
        found = await told(verifier, candidates, bench.scene.but(query=bare))
        is_silent = all(score.value is None for score in found.scores)
        require(is_silent, "without a reference, a verifier that needs one must give no score", found.scores)
    else:
        found = await told(verifier, candidates, bench.scene.but(query=without))
        is_heard = any(score.value is not None for score in found.scores)
        require(is_heard, "a verifier must say that it needs a reference (needs_reference)", found.scores)
