"""A stop string that no single draw holds ends an attempt all the same, wherever it is parted."""

import pytest
from continuing import Continuing, letters
from making import Counting, context
from scripted_engines import Scripted
from tabled import LastNumber, Tabled

from ponder.orchestrator.engines.byte_vocabulary import encode
from ponder.orchestrator.types import Candidate, Finish, Query, Usage
from ponder.strategies import MCTS, BeamSearch, CertaintyProbe, ConfidenceStopping, EarlyPruning, TreeOfThoughts
from ponder.strategies.stop_strings import parted_end, stopped

QUERY = Query.ask("Which?")


def node(piece: str, parent: Candidate | None = None, finish: Finish = Finish.TOTAL_LENGTH, **others) -> Candidate:
    tokens = others.pop("tokens", encode(piece))
    return Candidate(tokens, piece, finish, parent, usage=Usage(completion_tokens=len(tokens)), **others)


@pytest.mark.parametrize(
    ("pieces", "stop", "end"),
    [
        (["abc", "def"], ["cd"], 1),
        (["abc", "def"], ["cdef"], 3),
        (["a", "b", "c", "d"], ["abcd"], 1),
        (["abc", "def"], ["bcdef", "cde", "cdefg"], 2),
        (["aa", "aab"], ["aab"], None),
        (["aa", "aa"], ["aaa"], 1),
        (["abc", "def"], ["ef", "abc", "ca"], None),
        (["abcdef"], ["cd"], None),
        (["abc", ""], ["c"], None),
        (["abc", "def"], [], None),
        (["bc", "a"], ["a", "abc"], None),
    ],
)
def test_the_first_end_of_a_string_that_begins_before_the_last_piece(pieces, stop, end) -> None:
    last = None
    for piece in pieces:
        last = node(piece, last)
    assert parted_end(last, stop) == end


async def test_tokens_are_cut_with_the_text_and_what_was_paid_stays() -> None:
    before = node("one E")
    whole = node("ND, two", before, logprobs=(-1.0,) * 7, confidences=tuple(range(7)))
    found = await stopped(whole, ["END"], context(Continuing(letters)), "generator")
    assert (found.text, found.path_tokens, found.finish) == ("one END", encode("one END"), Finish.STOP)
    assert (found.logprobs, found.confidences) == ((-1.0, -1.0), (0, 1))
    assert found.usage == whole.usage


async def test_tokens_that_join_the_end_with_what_follows_are_written_anew() -> None:
    whole = node("ND, two", node("one E"), tokens=(79, 999, 998), logprobs=(-1.0,) * 3, confidences=(5.0, 6.0, 7.0))
    found = await stopped(whole, ["END"], context(Continuing(letters)), "generator")
    assert found.path_tokens == encode("one END")
    assert (found.logprobs, found.confidences) == (None, (5.0, 6.0))
    other = node("ND, two", node("one E"), tokens=(999, 68), confidences=(5.0, 6.0))
    assert (await stopped(other, ["END"], context(Continuing(letters)), "generator")).confidences is None


async def test_a_string_that_just_ends_with_the_piece_keeps_it() -> None:
    whole = node("ND", node("one E"), Finish.STEP)
    found = await stopped(whole, ["END"], context(Continuing(letters)), "generator")
    assert found == whole.with_finish(Finish.STOP)
    assert await stopped(node("AND", node("one E")), ["END"], context(Continuing(letters)), "generator") is None


@pytest.mark.parametrize("make", [BeamSearch, TreeOfThoughts, MCTS])
@pytest.mark.parametrize("knobs", [{}, {"step_tokens": 5}, {"step_tokens": 4}, {"lookahead": 1}])
async def test_a_string_that_holds_the_separator_ends_a_path(make, knobs) -> None:
    own = {BeamSearch: {"beam_width": 1}, TreeOfThoughts: {"states": 1}, MCTS: {"expand": 1}}[make]
    engine = Continuing(lambda so_far: "a 1\nb 2\nc 3"[len(so_far) :])
    found = await make(n=2, verifier=LastNumber(), stop=("1\nb",), **own, **knobs).run(QUERY, [], context(engine))
    assert {(each.text, each.finish) for each in found} == {("a 1\nb", Finish.STOP)}
    assert {each.path_tokens for each in found} == {encode("a 1\nb")}
    assert {each.scores["last_number"].value for each in found} == {1.0}


async def test_a_string_that_ends_with_the_separator_is_no_step() -> None:
    found = await BeamSearch(n=2, beam_width=1, verifier=LastNumber(), step_tokens=3, stop=("1\n",)).run(
        QUERY, [], context(Tabled({"": ["a 1\nb 2"], "a 1": ["\nb 2"]}))
    )
    assert {(each.text, each.finish) for each in found} == {("a 1\n", Finish.STOP)}


@pytest.mark.parametrize("mode", ["pause", "speculate"])
async def test_a_checkpoint_that_parts_a_string_ends_the_stream(mode) -> None:
    strategy = EarlyPruning(n=2, checkpoints=(4, 8), max_tokens=20, verifier=Counting(), stop=("def",), mode=mode)
    found = await strategy.run(QUERY, [], context(Continuing(letters)))
    assert [(each.text, each.finish) for each in found] == [("abcdef", Finish.STOP)]


async def test_a_chunk_that_parts_a_string_ends_the_chain_of_thought() -> None:
    engine = Continuing(lambda so_far: "4}" if so_far.endswith("{") else letters(so_far))
    strategy = CertaintyProbe(chunk=10, probe="{", agreeing=9, max_tokens=95, stop=("jkl",))
    found = await strategy.run(QUERY, [], context(engine))
    assert [(each.text, each.finish) for each in found] == [("abcdefghijkl", Finish.STOP)]
    assert len(engine.requests) == 3


async def test_a_chunk_that_parts_a_string_ends_the_trace() -> None:
    texts = ["a, so it is 1", "b, so it is 2", "c, so it is 3"]
    engine = Scripted(texts, [[5.0] * 20, [4.0] * 20, [3.0] * 20])
    strategy = ConfidenceStopping(n=3, warmup=2, keep=1.0, window=50, chunk=5, stop=("so it",))
    found = await strategy.run(QUERY, [], context(engine))
    cut = next(each for each in found if each.text.startswith("c"))
    assert (cut.text, cut.finish, cut.generated_tokens) == ("c, so it", Finish.STOP, 10)
    assert cut.scores["confidence"].value == 3.0
