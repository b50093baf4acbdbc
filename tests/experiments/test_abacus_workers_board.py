"""The dense pass that trains the workers computes what the shared cache of the engine computes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from abacus import folder
from abacus.llama import Generator, Shape
from abacus_workers.rows import OPENING, Row, alone, batch, hidden, row
from torch import Tensor

from ponder.orchestrator.data.abacus_workers import relay, shared
from ponder.orchestrator.engines.shared_cache.decoder import SharedDecoder
from ponder.orchestrator.engines.shared_cache.loading import load
from ponder.orchestrator.engines.shared_cache.row import Row as CacheRow

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model() -> Generator:
    torch.manual_seed(0)
    made = Generator(Shape(layers=2, width=64)).requires_grad_(False)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.fixture(scope="module")
def decoder(model: Generator, tmp_path_factory: pytest.TempPathFactory) -> SharedDecoder:
    target: Path = tmp_path_factory.mktemp("random") / "model"
    folder.save(model, target)
    return load(str(target))


def pass_by_pass(decoder: SharedDecoder, asked: Row) -> list[Tensor]:
    """Each worker's logits over the texts it should write, token by token in step over one cache."""
    slab = decoder.slab(16, 64)
    count = len(asked.openings)
    prompt = slab.new_block()
    privates, own = [[slab.new_block() for _ in range(count)] for _ in range(2)]
    decoder.forward([CacheRow(slab, tuple(asked.prompt), (prompt,))])
    for block, ids in zip(privates, asked.privates, strict=True):
        if ids:
            decoder.forward([CacheRow(slab, tuple(ids), (prompt, block))])
    views = [(prompt, *(one for one in own if one != own[at]), privates[at], own[at]) for at in range(count)]
    found: list[list[Tensor]] = [[] for _ in range(count)]
    for step in range(max(map(len, asked.written))):
        writing = [at for at in range(count) if step < len(asked.written[at])]
        fed = {at: asked.written[at][step - 1 : step] if step else asked.openings[at] for at in writing}
        logits = decoder.forward([CacheRow(slab, tuple(fed[at]), views[at]) for at in writing])
        for at, one in zip(writing, logits, strict=True):
            found[at].append(one)
    return [torch.stack(one) for one in found]


@pytest.mark.parametrize("kind", ["shared", "relay"])
def test_the_dense_pass_agrees_with_the_shared_cache(model: Generator, decoder: SharedDecoder, kind: str) -> None:
    """Each problem beside another of its kind in one batch, of other lengths; relays with their private texts."""
    random, workers = Random(3), 3
    drawn = (
        [shared(random, (2, 1, 3)), shared(random, (2,))]
        if kind == "shared"
        else [relay(random, workers, 2) for _ in range(2)]
    )
    pair = [row(problem, workers) for problem in drawn]
    dense = model.lm_head(hidden(model, batch(pair)))
    for at, asked in enumerate(pair):
        for worker, wanted in enumerate(pass_by_pass(decoder, asked)):
            got = dense[at, worker, OPENING - 1 : OPENING - 1 + len(wanted)]
            torch.testing.assert_close(got, wanted, atol=1e-4, rtol=0)


def test_one_worker_alone_is_a_plain_llama(model: Generator) -> None:
    made = batch([alone(shared(Random(1), (2, 1)), is_numbered=True)])
    torch.testing.assert_close(hidden(model, made)[:, 0], model.model(made.own.ids[:, 0]), atol=1e-4, rtol=0)


def test_a_worker_sees_what_the_others_write_up_to_its_own_pass_and_nothing_later(model: Generator) -> None:
    """Changing the other's token of pass 6 changes this worker from pass 6 on."""
    asked = row(shared(Random(1), (3, 3)), 2)
    before = hidden(model, batch([asked]))[0, 0]
    asked.written[1][5] = ord("0") + (asked.written[1][5] == ord("0"))
    after = hidden(model, batch([asked]))[0, 0]
    differs = (before != after).any(-1)
    assert not differs[: OPENING + 5].any()
    assert differs[OPENING + 5 :].all()
