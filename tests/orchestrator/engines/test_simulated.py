"""The simulated engine does what its enumeration says."""

import asyncio
import math
import subprocess
import sys
from collections import Counter

import pytest
from pydantic import ValidationError

from ponder.orchestrator.engine import Completion, Engine, Prompt, Reading, Request, Sampling
from ponder.orchestrator.engines.byte_vocabulary import END, VOCABULARY, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World, simulated_dataset
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.types import Finish, Message, Query

WORLD = World(seed=11, steps=2, branching=3)
QUERY = simulated_dataset(1, WORLD, first=5)[0]
LAWS = [(1.0, 1.0), (0.5, 1.0), (1.7, 1.0), (1.0, 0.7), (0.8, 0.9), (0.0, 1.0)]


@pytest.fixture
def engine() -> SimulatedEngine:
    return SimulatedSpec(world=WORLD).open()


def prompt(text: str = "", query: Query = QUERY) -> Prompt:
    return Prompt(query.messages, encode(text), text)


def draw(engine: Engine, at: Prompt | None = None, seed: int = 0, **sampling: object) -> Completion:
    return asyncio.run(engine.complete(Request(at or prompt(), Sampling.model_validate(sampling), seed)))


async def texts(engine: Engine, at: Prompt, n: int, sampling: Sampling) -> Counter[str]:
    return Counter([(await engine.complete(Request(at, sampling, seed))).text for seed in range(n)])


def check_law(counts: Counter[str], law: dict[str, float], n: int) -> None:
    """Every frequency lies within four and a half standard deviations of its probability."""
    assert counts.keys() <= law.keys()
    for text, p in law.items():
        assert abs(counts[text] - n * p) <= 4.5 * math.sqrt(n * p * (1 - p)) + 1e-6, (text, p)


@pytest.mark.parametrize(("temperature", "top_p"), LAWS)
async def test_frequencies_are_the_enumerated_probabilities(
    engine: SimulatedEngine, temperature: float, top_p: float
) -> None:
    n = 6000
    law = {path.text: path.probability for path in WORLD.paths(QUERY, temperature, top_p)}
    assert math.isclose(math.fsum(law.values()), 1.0)
    check_law(await texts(engine, prompt(), n, Sampling(temperature=temperature, top_p=top_p)), law, n)


@pytest.mark.parametrize("temperature", [0.3, 0.5, 2.0])
def test_temperature_is_a_power_of_each_letter(temperature: float) -> None:
    root = WORLD.tree(QUERY.messages)
    powers = [p ** (1 / temperature) for p in root.law()]
    assert root.law(temperature) == pytest.approx([power / sum(powers) for power in powers])


def test_greedy_takes_the_first_of_the_likeliest(engine: SimulatedEngine) -> None:
    (path,) = WORLD.paths(QUERY, temperature=0)
    assert {draw(engine, seed=seed, temperature=0).text for seed in range(20)} == {path.text}
    assert WORLD.paths(QUERY, temperature=1e-4)[0].text == path.text


def test_the_nucleus_keeps_the_fewest_that_hold_the_mass() -> None:
    root = WORLD.tree(QUERY.messages)
    law = sorted(root.law(), reverse=True)
    kept = sorted(root.law(top_p=law[0] + law[1] / 2), reverse=True)
    assert kept == pytest.approx([law[0] / (law[0] + law[1]), law[1] / (law[0] + law[1]), 0.0])


@pytest.mark.parametrize("written", [0, 3, 8, 9, 10, 12, 18, 19, 20, 25, 31])
@pytest.mark.parametrize("by_tokens", [True, False])
async def test_continuing_a_prefix_has_the_conditional_law(
    engine: SimulatedEngine, written: int, by_tokens: bool
) -> None:
    n = 1500
    paths = WORLD.paths(QUERY)
    before = paths[4].text[:written]
    through = [path for path in paths if path.text.startswith(before)]
    mass = math.fsum(path.probability for path in through)
    law = {path.text[written:]: path.probability / mass for path in through}
    at = Prompt(QUERY.messages, encode(before) if by_tokens else (), before)
    check_law(await texts(engine, at, n, Sampling()), law, n)


async def test_drawing_piece_by_piece_has_the_law_of_drawing_at_once(engine: SimulatedEngine) -> None:
    n = 4000
    law = {path.text: path.probability for path in WORLD.paths(QUERY)}
    counts: Counter[str] = Counter()
    for seed in range(n):
        text, finish, turn = "", Finish.TOTAL_LENGTH, 0
        while finish is Finish.TOTAL_LENGTH:
            request = Request(prompt(text), Sampling(max_tokens=7), seed * 100 + turn)
            done = await engine.complete(request)
            text, finish, turn = text + done.text, done.finish, turn + 1
        counts[text] += 1
    check_law(counts, law, n)


@pytest.mark.parametrize(
    "forced", ["Wait, ", "step 1: a\nLet me see. ", "step 1: a\nstep 1", "Yes", "step 1: ?", "é\n"]
)
def test_a_text_that_leaves_the_tree_starts_a_new_attempt(engine: SimulatedEngine, forced: str) -> None:
    whole = draw(engine, prompt(forced), seed=3).text
    attempt = forced + whole
    assert attempt.endswith(f"step 2: {attempt[attempt.rindex('step 2: ') + 8]}\nanswer: {attempt.split()[-1]}\n")
    for cut in range(1, len(whole)):
        assert draw(engine, prompt(forced + whole[:cut]), seed=3).text == whole[cut:]


def test_forcing_a_finished_path_on_opens_another_tree(engine: SimulatedEngine) -> None:
    done = draw(engine)
    again = {draw(engine, prompt(done.text + "Wait\n"), seed=seed).text for seed in range(50)}
    assert len(again) > 1
    assert draw(engine, prompt(done.text)).tokens == (END,)
    assert draw(engine, Prompt(QUERY.messages, done.tokens, done.text)).finish is Finish.EOS


@pytest.mark.parametrize("limit", range(1, 40))
def test_max_tokens_cut_exactly(engine: SimulatedEngine, limit: int) -> None:
    whole = draw(engine)
    cut = draw(engine, max_tokens=limit)
    assert cut.tokens == whole.tokens[:limit]
    assert cut.text == decode(cut.tokens)
    assert cut.finish is (Finish.EOS if limit >= len(whole.tokens) else Finish.TOTAL_LENGTH)


@pytest.mark.parametrize(
    ("stop", "limit", "ends", "finish"),
    [
        (("\n",), 100, 10, Finish.STOP),
        (("\n",), 10, 10, Finish.STOP),
        (("\n",), 9, 9, Finish.TOTAL_LENGTH),
        (("step 2", "1:"), 100, 7, Finish.STOP),
        (("1: ", "1:"), 100, 7, Finish.STOP),
        (("never",), 100, None, Finish.EOS),
        (("answer: ",), 100, 28, Finish.STOP),
    ],
)
def test_the_stop_that_is_complete_first_ends_the_text_and_stays_in_it(
    engine: SimulatedEngine, stop: tuple[str, ...], limit: int, ends: int | None, finish: Finish
) -> None:
    whole = draw(engine)
    done = draw(engine, stop=stop, max_tokens=limit)
    assert (done.tokens, done.finish) == (whole.tokens[:ends], finish)


def test_a_stop_in_the_prompt_or_prefix_does_not_count(engine: SimulatedEngine) -> None:
    assert draw(engine, prompt("step 1: a\n"), stop=("step 1",)).finish is Finish.EOS
    assert draw(engine, prompt("step 1: a\n"), stop=("a\nstep",)).finish is Finish.EOS


def test_usage_is_exact(engine: SimulatedEngine) -> None:
    spec = SimulatedSpec(world=WORLD, prompt_price=2.0, completion_price=10.0, cached_price=0.5, cache_block=16)
    for text in ("", "step 1: a\n", "step 1: a\nst", "Grüße"):
        at = prompt(text)
        rendered = f"user: {QUERY.messages[0].content}\n{text}".encode()
        for limit in (1, 12, 100):
            usage, done = (found := draw(spec.open(), at, max_tokens=limit)).usage, found.tokens
            cached = (len(rendered) - 1) // 16 * 16 if text else 0
            assert asyncio.run(engine.count(at)) == len(rendered) == usage.prompt_tokens
            assert (usage.completion_tokens, usage.cached_tokens, usage.calls) == (len(done), cached, 1)
            assert usage.nano_usd == (len(rendered) - cached) * 2000 + cached * 500 + len(done) * 10_000
            assert usage.flops == spec.model.generation(len(rendered), cached, len(done))
    assert max(draw(engine).tokens) < VOCABULARY


def test_logprobs_are_those_of_the_model_at_temperature_one(engine: SimulatedEngine) -> None:
    for seed in range(20):
        done = draw(engine, seed=seed, temperature=0.7, logprobs=True)
        assert done.logprobs is not None
        assert len(done.logprobs) == len(done.tokens)
        (path,) = [path for path in WORLD.paths(QUERY) if path.text == done.text]
        assert math.exp(math.fsum(done.logprobs)) == pytest.approx(path.probability)
        rest = draw(engine, prompt(done.text[:8]), seed=seed, temperature=0.7, logprobs=True, max_tokens=5)
        assert rest.logprobs == done.logprobs[8:13]


def test_confidence_is_the_mean_of_the_ranked_logs_and_certain_where_nothing_is_open(engine: SimulatedEngine) -> None:
    done = draw(engine, seed=1, top_logprobs=2)
    assert done.confidences is not None
    letters = [done.text.index("\n", at) - 1 for at in [done.text.index(f"step {i + 1}: ") for i in range(WORLD.steps)]]
    node = WORLD.tree(QUERY.messages)
    for at in letters:
        best = sorted(map(math.log, filter(None, node.law())), reverse=True)[:2]
        assert done.confidences[at] == pytest.approx(-sum(best) / 2)
        node = node.child("abcdefgh".index(done.text[at]))
    certain = [value for at, value in enumerate(done.confidences) if at not in letters]
    assert set(certain) == {10.0}
    rest = draw(engine, prompt(done.text[:8]), seed=1, top_logprobs=2, max_tokens=9)
    assert (rest.text, rest.confidences) == (done.text[8:17], done.confidences[8:17])


def column(reading: Reading) -> tuple[float, ...]:
    return tuple(value for (value,) in reading.rows)


async def test_rewards_are_the_enumerated_values(engine: SimulatedEngine) -> None:
    paths = WORLD.paths(QUERY)
    for path in paths:
        reading = await engine.read(prompt(path.text))
        assert column(reading) == path.values
        ends = [i + 1 for i, character in enumerate(path.text) if character == "\n"]
        for end, value in zip(ends, column(reading), strict=True):
            through = [p for p in paths if p.text.startswith(path.text[:end])]
            right = math.fsum(p.probability for p in through if p.is_correct)
            assert value == pytest.approx(right / math.fsum(p.probability for p in through))
        assert column(await engine.read(prompt(path.text[:-1]))) == path.values[:-1]
        assert reading.usage.verifier_calls == 1
        assert reading.usage.prompt_tokens == await engine.count(prompt(path.text))
    assert (await engine.read(prompt())).rows == ()


async def test_noisy_rewards_err_in_logits_by_as_much_as_asked() -> None:
    world = World(seed=2, steps=3)
    judge, truth = SimulatedSpec(world=world, reward_noise=0.8).open(), SimulatedSpec(world=world).open()
    errors = []
    for query in simulated_dataset(40, world):
        for path in world.paths(query)[::9]:
            noisy, true = [column(await e.read(prompt(path.text, query))) for e in (judge, truth)]
            assert all(0 < value < 1 for value in noisy)
            errors += [
                math.log(a / (1 - a)) - math.log(b / (1 - b))
                for a, b in zip(noisy, true, strict=True)
                if 0.01 < b < 0.99
            ]
            assert column(await judge.read(prompt(path.text, query))) == noisy
    assert abs(sum(errors) / len(errors)) < 0.1
    assert math.sqrt(sum(e * e for e in errors) / len(errors)) == pytest.approx(0.8, rel=0.1)


def test_datasets_know_their_truth() -> None:
    world = World(seed=4)
    queries = simulated_dataset(200, world)
    assert len({query.id for query in queries}) == 200
    for query in queries[:50]:
        assert 0.1 <= float(query.metadata["difficulty"]) <= 0.9
        assert query.metadata["pass_at_1"] == pytest.approx(world.pass_at_1(query))
        for path in world.paths(query):
            assert path.is_correct == (path.answer == query.reference)
            assert path.text.splitlines()[-1] == f"answer: {path.answer}"
    rates = [float(query.metadata["pass_at_1"]) for query in queries]
    assert 0.3 < sum(rates) / len(rates) < 0.55
    assert min(rates) < 0.1 < 0.8 < max(rates)


def test_a_problem_keeps_its_answer_in_other_words() -> None:
    asked = simulated_dataset(1, WORLD, first=7)[0]
    again = (Message(role="system", content="Be brief."), Message(role="user", content="About PROBLEM 7: try again."))
    assert str(WORLD.problem(again).answer) == asked.reference
    assert WORLD.tree(again).law() != WORLD.tree(asked.messages).law()
    other = WORLD.model_copy(update={"steps": 3, "hardest": 0.5})
    assert str(other.problem(again).answer) == asked.reference


DIGEST = """
import asyncio, hashlib
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World, simulated_dataset

async def main():
    spec = SimulatedSpec(world=World(seed=3), reward_noise=0.5, jitter_s=0.001)
    engine = spec.open()
    requests = [Request(Prompt(q.messages), Sampling(temperature=t, logprobs=True), s)
                for q in simulated_dataset(5, spec.world) for t in (0.0, 0.7, 1.0) for s in range(8)]
    order = ORDER(requests)
    done = dict(zip(order, await asyncio.gather(*map(engine.complete, order))))
    reads = [await engine.read(Prompt(r.prompt.messages, done[r].tokens)) for r in requests]
    print(hashlib.sha256(canonical_json([[done[r] for r in requests], reads])).hexdigest())

asyncio.run(main())
"""


def test_draws_do_not_depend_on_the_process_or_the_order() -> None:
    programs = [DIGEST.replace("ORDER", order) for order in ("list", "(lambda r: r[::-1])")]
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for program, seed in zip(programs, ("1", "2"), strict=True)
    ]
    assert runs[0] == runs[1] != ""


def test_the_identity_says_what_the_draws_depend_on() -> None:
    spec = SimulatedSpec(world=WORLD)
    same = [{"latency_s": 1.0}, {"prompt_price": 3.0}, {"faults": Faults(unavailable=0.5, hang=0.1, seed=4)}]
    other = [{"world": World(seed=12)}, {"reward_noise": 1.0}, {"faults": Faults(garbage=0.1)}]
    assert {spec.model_copy(update=change).open().identity for change in same} == {spec.open().identity}
    assert len({spec.model_copy(update=change).open().identity for change in [{}, *other]}) == 4


async def outcomes(faults: Faults, n: int = 400) -> list[str]:
    engine = SimulatedSpec(world=WORLD, faults=faults).open()
    found = []
    for seed in range(n):
        for _ in range(3):
            try:
                async with asyncio.timeout(0.0005 if faults.hang else None):
                    done = await engine.complete(Request(prompt(), Sampling(max_tokens=50), seed))
                found.append(f"{done.finish} {done.text} {done.usage.completion_tokens}")
            except (EngineRefused, EngineUnavailable, TimeoutError) as error:
                found.append(type(error).__name__ + str(getattr(error, "is_free", "")))
    return found


@pytest.mark.parametrize(
    ("faults", "sign"),
    [
        (Faults(unavailable=0.2), "EngineUnavailableFalse"),
        (Faults(unavailable=0.2, unavailable_is_free=True), "EngineUnavailableTrue"),
        (Faults(refused=0.2), "EngineRefused"),
        (Faults(hang=0.2), "TimeoutError"),
        (Faults(garbage=0.2), "total_length \ufffd"),
        (Faults(empty=0.2), "eos  1"),
        (Faults(cut=0.2), "aborted step 1"),
        (Faults(overrun=0.2), " 51"),
    ],
)
async def test_faults_strike_at_their_rate_and_again_in_the_same_places(faults: Faults, sign: str) -> None:
    first = await outcomes(faults)
    assert first == await outcomes(faults)
    assert first != await outcomes(faults.model_copy(update={"seed": 1}))
    struck = [sign in outcome for outcome in first]
    assert sum(struck[::3]) / len(struck[::3]) == pytest.approx(0.2, abs=0.07)
    kept = [a == b == c for a, b, c in zip(struck[::3], struck[1::3], struck[2::3], strict=True)]
    assert all(kept) != bool(faults.unavailable or faults.hang)


async def test_latency_jitter_shuffles_arrival() -> None:
    engine = SimulatedSpec(world=WORLD, jitter_s=0.05).open()
    arrived: list[int] = []

    async def one(seed: int) -> None:
        await engine.complete(Request(prompt(), Sampling(), seed))
        arrived.append(seed)

    await asyncio.gather(*map(one, range(20)))
    assert arrived != sorted(arrived)


def test_what_cannot_work_is_refused() -> None:
    small = SimulatedSpec(world=WORLD, context_length=64).open()
    with pytest.raises(EngineRefused, match="context"):
        draw(small, max_tokens=60)
    with pytest.raises(ValidationError, match="at most 65536"):
        World(steps=16)
    with pytest.raises(ValidationError, match="easiest"):
        World(easiest=0.8, hardest=0.2)


def test_a_spec_is_data() -> None:
    spec = SimulatedSpec(world=WORLD, faults=Faults(hang=0.1), reward_noise=0.2)
    assert SimulatedSpec.model_validate_json(spec.model_dump_json()) == spec
    assert isinstance(spec.open(), Engine)


@pytest.mark.parametrize("digits", [1, 18, 19, 5000])
def test_a_number_of_any_length_names_a_problem(engine: SimulatedEngine, digits: int) -> None:
    query = Query.ask(f"Problem {'3' * digits}?")
    assert draw(engine, prompt(query=query)) == draw(engine, prompt(query=query))
