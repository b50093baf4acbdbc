"""The parts of the torch engine that compute nothing: chances, spelling, stop strings, room."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from real_vllm import quiet_imports

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.chat_tokens import ChatTokens
from ponder.orchestrator.engines.shared_cache.admission import Admission
from ponder.orchestrator.engines.shared_cache.sampling import chance, draw
from ponder.orchestrator.engines.shared_cache.spelling import Spelling
from ponder.orchestrator.engines.shared_cache.views import OpeningIds, Size
from ponder.orchestrator.engines.stop_strings import stopped
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.models import abacus_generator
from ponder.orchestrator.types import Message
from ponder.orchestrator.workspace import LAYOUTS, Layout, Opening, Separator

LOGITS = torch.log(torch.tensor([0.05, 0.4, 0.3, 0.2, 0.05]))


@pytest.fixture(scope="session")
def by_bytes() -> Any:
    """A tokenizer whose tokens are bytes, so that characters come in parts."""
    with quiet_imports():
        from transformers import AutoTokenizer

        return ChatTokens(AutoTokenizer.from_pretrained(abacus_generator()))


@pytest.mark.parametrize(
    ("sampling", "shares"),
    [
        (Sampling(), (0.05, 0.4, 0.3, 0.2, 0.05)),
        (Sampling(top_p=0.65), (0, 4 / 7, 3 / 7, 0, 0)),
        (Sampling(top_p=0.75), (0, 4 / 9, 3 / 9, 2 / 9, 0)),
        (Sampling(top_p=0.1), (0, 1, 0, 0, 0)),
        (Sampling(temperature=0.5), (0.0085, 0.5424, 0.3051, 0.1356, 0.0085)),
        (Sampling(temperature=0, top_p=0.9), (0, 1, 0, 0, 0)),
    ],
)
def test_tokens_come_as_often_as_the_distribution_says(sampling: Sampling, shares: tuple[float, ...]) -> None:
    n = 20_000
    found = Counter(draw(LOGITS.expand(n, -1), [sampling] * n, [(i + 0.5) / n for i in range(n)]))
    assert [found[token] / n for token in range(5)] == pytest.approx(shares, abs=1.5e-4)


def test_a_row_draws_the_same_beside_any_other() -> None:
    rows = torch.stack([LOGITS, LOGITS.flip(0), LOGITS])
    samplings = [Sampling(), Sampling(top_p=0.5), Sampling(temperature=0)]
    chances = [chance(11, i) for i in range(3)]
    alone = [draw(rows[i : i + 1], [samplings[i]], [chances[i]])[0] for i in range(3)]
    assert draw(rows, samplings, chances) == alone


def test_chances_are_spread_evenly_and_the_last_one_still_draws() -> None:
    chances = [chance(seed, i) for seed in range(100) for i in range(100)]
    assert len(set(chances)) == 10_000
    assert sum(chances) / 10_000 == pytest.approx(0.5, abs=0.01)
    last = 1 - 2**-52
    assert draw(LOGITS[None], [Sampling()], [last]) == [4]
    assert draw(LOGITS[None], [Sampling(top_p=0.65)], [last]) == [2]
    impossible = torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]])
    assert [draw(impossible, [Sampling()], [u])[0] for u in (0.0, 0.4999, 0.5, last)] == [0, 0, 2, 2]


def test_text_is_told_in_whole_characters(by_bytes: ChatTokens) -> None:
    spelling = Spelling(by_bytes)
    told = [spelling.add((token,)) for token in by_bytes.encode("aé€🙂z")]
    assert told == ["a", "", "é", "", "", "€", "", "", "", "🙂", "z"]


def test_text_after_half_a_character_completes_it(by_bytes: ChatTokens) -> None:
    ids = by_bytes.encode("so: €5")
    assert Spelling(by_bytes, ids[:5]).add(ids[5:]) == "€5"
    spelling = Spelling(by_bytes)
    assert "".join(spelling.add((token,)) for token in (*ids[:6], 257)) == "so: "


def test_what_is_told_in_parts_is_the_whole_text(by_bytes: ChatTokens) -> None:
    ids = by_bytes.encode("1+2=3 – née Ångström 数字 🙂🙂 " * 5)
    for size in (1, 2, 3, 7):
        spelling = Spelling(by_bytes)
        told = [spelling.add(ids[i : i + size]) for i in range(0, len(ids), size)]
        assert "".join(told) == by_bytes.decode(ids)


@pytest.mark.parametrize(
    ("text", "new", "stops", "end"),
    [
        ("ab", 1, ("b",), 2),
        ("a\n\nb", 1, ("\n\n",), None),
        ("a\n\n", 1, ("\n\n",), 3),
        ("xENDyEND", 2, ("END",), 8),
        ("one\ntwo.", 8, (".", "\n"), 4),
        ("", 0, ("a",), None),
    ],
)
def test_a_stop_string_counts_where_it_becomes_complete(text: str, new: int, stops: tuple[str, ...], end: int) -> None:
    assert stopped(text, new, stops) == end


def opening(layout: Layout, *private: str) -> Opening:
    return Opening((Message(role="user", content="1+2="),), layout, private, 100)


def test_an_opening_takes_each_separator_once_where_all_read_it_after_the_same(by_bytes: ChatTokens) -> None:
    prompt = len(by_bytes.conversation((Message(role="user", content="1+2="),)))
    behind = Layout(view=("private", Separator(text="--")))
    for layout, private, size in (
        (LAYOUTS["contiguous"], ("", ""), Size(prompt, 3, prompt)),
        (LAYOUTS["contiguous"], ("abc", "", "d"), Size(prompt + 4, 6, prompt + 3)),
        (behind, ("abc", "de"), Size(prompt + 5 + 4, 7, prompt + 5)),
        (behind, ("", "", ""), Size(prompt + 2, 5, prompt + 2)),
        (behind, ("abc",), Size(prompt + 5, 1, prompt + 5)),
    ):
        assert OpeningIds.of(opening(layout, *private), by_bytes).size == size


@pytest.mark.parametrize(
    ("layout", "private", "is_chain"),
    [
        ("contiguous", ("x",), True),
        ("contiguous", ("", ""), False),
        ("interleaved", ("",), True),
        ("interleaved", ("x",), False),
        ("combined", ("",), False),
    ],
)
def test_one_worker_before_whom_nothing_moves_is_a_chain(
    by_bytes: ChatTokens, layout: str, private: tuple[str, ...], is_chain: bool
) -> None:
    assert OpeningIds.of(opening(LAYOUTS[layout], *private), by_bytes).is_chain == is_chain


async def test_room_is_given_in_order_and_given_back() -> None:
    admission = Admission(10)
    first, second = await admission.enter(6), await admission.enter(4)
    large, small = (asyncio.create_task(admission.enter(size)) for size in (8, 1))
    await asyncio.sleep(0)
    admission.leave(second)
    await asyncio.sleep(0)
    assert (admission.taken, large.done(), small.done()) == (6, False, False)
    large.cancel()
    await asyncio.sleep(0.001)
    assert (admission.taken, small.done()) == (7, True)
    admission.resize(first, 12)
    last = asyncio.create_task(admission.enter(1))
    await asyncio.sleep(0)
    assert (admission.taken, last.done()) == (13, False)
    admission.leave(first)
    await last
    assert admission.taken == 2


async def test_a_place_that_is_cancelled_as_it_is_given_is_given_back() -> None:
    admission = Admission(10)
    first = await admission.enter(10)
    waiting = asyncio.create_task(admission.enter(5))
    await asyncio.sleep(0)
    admission.leave(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert admission.taken == 0


@pytest.mark.parametrize("top_p", [0.02, 0.6, 0.9, 0.999])
def test_a_nucleus_is_the_fewest_likeliest_tokens_of_a_large_vocabulary(top_p: float) -> None:
    logits = torch.randn(3, 20_000, generator=torch.Generator().manual_seed(1)) * torch.tensor([[1.0], [3.0], [8.0]])
    chances = [i / 20 for i in range(20)]
    for row in logits:
        shares = torch.softmax(row.double(), dim=-1)
        values, order = shares.sort(descending=True)
        nucleus = sorted(order[: int((values.cumsum(0) < top_p).sum()) + 1].tolist())
        masses = np.cumsum(shares[nucleus].numpy())
        expected = [nucleus[np.searchsorted(masses, u * masses[-1], side="right")] for u in chances]
        assert draw(row.expand(20, -1), [Sampling(top_p=top_p)] * 20, chances) == expected


def test_tokens_as_likely_as_the_last_of_a_nucleus_are_kept_too() -> None:
    level = torch.zeros(1, 4)
    drawn = [draw(level, [Sampling(top_p=0.3)], [i / 4])[0] for i in range(4)]
    assert drawn == [0, 1, 2, 3]


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(EngineRefused, match="logits must be numbers, but some are NaN; load the model in float32"):
        draw(torch.tensor([[0.0, 1.0], [0.0, torch.nan]]), [Sampling()] * 2, [0.1, 0.2])
