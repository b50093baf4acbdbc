"""A hundred thousand bodies, right, wrong and damaged: each is answered, or refused by name, soon and for good."""

from __future__ import annotations

import gc
import random

import pytest
import schemathesis
from api_bodies import APIS, CHAT, PART, SHOWN, Api
from byte_mutations import damaged
from fuzzed_server import Fuzzed, resident_mib
from hypothesis import HealthCheck, given, settings
from schema_cases import cases, sent
from schema_values import text_of

pytestmark = pytest.mark.long
DRAWN, DAMAGED, WARM_UP = 40_000, 57_000, 4_000
CASES = 20
SHALLOW = [api for api in APIS if api.path in ("/v1/completions", "/v1/images/generations")]
"""Those whose schema does not nest: schemathesis takes minutes for a case of the others, which are drawn here."""
MOST_MIB = 50.0
GOOD = {api.path: [text_of(body) for body in api.good] for api in APIS}
SEEN = {"model": "single", "messages": [{"role": "user", "content": [PART, SHOWN]}]}
"""No model here sees images, which is told once they are read."""


def drawn(rng: random.Random) -> tuple[str, bytes]:
    """A body whose fields come from the schema that the openai package gives them."""
    api = rng.choice(APIS)
    body, _ = api.changed(rng, rng.choice((0.0, 0.1, 0.5)))
    return api.path, text_of(body)


def broken(rng: random.Random) -> tuple[str, bytes]:
    """A good body, damaged."""
    api = rng.choice(APIS)
    seen = [text_of(SEEN)] if api.path == CHAT else []
    return api.path, damaged(rng, GOOD[api.path] + seen)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.path)
def test_good_bodies_are_answered(server: Fuzzed, api: Api) -> None:
    assert {server.ask(api.path, body).status for body in GOOD[api.path]} == {200}


@pytest.mark.timeout(900)
def test_no_body_breaks_the_server_or_stays_in_its_memory(server: Fuzzed) -> None:
    rng = random.Random(20_261_127)
    for draw in (drawn, broken):
        server.ask_all(WARM_UP // 2, lambda draw=draw: draw(rng))
    server.check_rest()
    before = _resident_mib()
    server.ask_all(DRAWN, lambda: drawn(rng))
    server.ask_all(DAMAGED, lambda: broken(rng))
    server.check_rest()
    assert _resident_mib() - before < MOST_MIB
    for api in APIS:
        counted = {status: n for (path, status), n in server.statuses.items() if path == api.path}
        assert counted[200] > 3_000 and counted[400] > 10_000 and counted[404] > 50, counted
    assert sum(server.statuses.values()) >= 100_000


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("api", SHALLOW, ids=lambda api: api.path)
def test_no_case_of_the_schema_breaks_the_server(server: Fuzzed, api: Api, mode: schemathesis.GenerationMode) -> None:
    @settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases(api, mode))
    def ask(case: schemathesis.Case) -> None:
        server.ask(api.path, sent(api, case))

    ask()


def test_a_wrong_field_is_called_by_its_name(server: Fuzzed) -> None:
    rng = random.Random(8)
    named = 0
    for _ in range(1_500):
        api = rng.choice(APIS)
        body, fields = api.changed(rng, 0.5)
        changed = [field for field in fields if field in body]
        if len(changed) != len(fields) or len(fields) != 1 or not api.needed <= body.keys():
            continue
        response = server.ask(api.path, text_of(body))
        if response.status == 400 and (param := response.error["param"]) is not None:
            named += 1
            assert param[: len(fields[0])] == fields[0] or fields[0] in RELATED.get(param, ()), (fields, response.error)
    assert named > 300


RELATED = {
    "stream_options": ("stream",),
    "best_of": ("n",),
    "reasoning_effort": ("model",),
    "reasoning.effort": ("model",),
    "n": ("model", "ponder"),
    "tool_choice": ("tools",),
}
"""Faults of two fields that do not go together, by the one that is named."""


def _resident_mib() -> float:
    gc.collect()
    return resident_mib()
