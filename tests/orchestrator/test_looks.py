"""Images are looked at once, paid for from what was set aside, and lost one by one."""

import asyncio

import numpy as np
import pytest
from image_stage import JUDGE, ImageStage

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Image
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.types import Usage
from ponder.testing.bench import pictured
from ponder.testing.image_world import PICTURE, images
from ponder.testing.watched_calls import Manner

LOOK = Usage(verifier_calls=1, flops=60, nano_usd=5000, compute_ns=2000)
FOUR = images()
ODD = Image.of(np.zeros((3, 3, 1), np.uint8))


def door(stage: ImageStage, *held) -> Judging:
    return Judging(stage.run, "judge", "judge", held)


async def test_each_is_told_of_in_its_order_at_its_cost() -> None:
    stage = ImageStage()
    looked = await door(stage).look(PICTURE, FOUR, "reward")
    assert [int(np.argmax(each.seen)) for each in looked] == [0, 1, 2, 3]
    assert [each.usage for each in looked] == [LOOK] * 4
    assert stage.ledger.spent == stage.account.spent == stage.seen.served == LOOK.times(4)


async def test_an_image_is_paid_once_whoever_asks_and_whenever() -> None:
    stage = ImageStage()
    judge = door(stage)
    first = await judge.look(PICTURE, [FOUR[0], FOUR[0], FOUR[1]], "reward")
    again = await judge.look(PICTURE, FOUR[:3], "reward")
    other = await door(stage).look(PICTURE, FOUR[:3], "reward")
    assert [each.usage for each in first] == [LOOK, Usage(), LOOK]
    assert [each.usage for each in again] == [Usage(), Usage(), LOOK]
    assert [each.seen for each in again] == [each.seen for each in other]
    assert stage.ledger.spent == stage.account.spent == LOOK.times(3)


async def test_two_who_ask_at_once_pay_once() -> None:
    stage = ImageStage()
    one, other = await asyncio.gather(*(door(stage).look(PICTURE, FOUR, "reward") for _ in range(2)))
    assert [each.seen for each in one] == [each.seen for each in other]
    assert stage.ledger.spent == stage.account.spent == LOOK.times(4)
    assert (stage.seen.calls, stage.ledger.outstanding) == (4, 0)


async def test_another_prompt_is_another_look() -> None:
    stage = ImageStage()
    for words in ("a 1", "a 2"):
        query = PICTURE.model_copy(update={"messages": (PICTURE.messages[0].model_copy(update={"content": words}),)})
        await door(stage).look(query, FOUR[:1], "reward")
    assert stage.ledger.spent == LOOK.times(2)


async def test_room_set_aside_is_used_first() -> None:
    stage = ImageStage(Budget(verifier_calls=4))
    held = await stage.ledger.reserve(LOOK.times(3))
    judge = door(stage, held)
    assert stage.ledger.room().verifier_calls == 1
    await judge.look(PICTURE, FOUR[:2], "reward")
    assert (stage.ledger.room().verifier_calls, stage.ledger.outstanding) == (1, 1)
    judge.release()
    assert (stage.ledger.room().verifier_calls, stage.ledger.outstanding) == (2, 0)


async def test_the_first_are_served_where_the_budget_ends() -> None:
    stage = ImageStage(Budget(verifier_calls=3))
    looked = await door(stage).look(PICTURE, FOUR, "reward")
    assert [each is not None for each in looked] == [True, True, True, False]
    assert (stage.run.stopped, stage.ledger.spent) == ("budget", LOOK.times(3))


async def test_a_look_that_is_lost_is_counted_told_and_not_paid_again() -> None:
    stage = ImageStage(manner=Manner(loses=range(1, 2)))
    for _ in range(2):
        looked = await door(stage).look(PICTURE, FOUR, "reward")
        assert [each is not None for each in looked] == [True, False, True, True]
    assert stage.run.failures == 1
    assert stage.run.reason == "engine 'reward' must look at images, but cannot at one of 2 x 2 x 1"
    assert stage.ledger.spent == LOOK.times(4)


async def test_an_odd_image_spoils_no_other() -> None:
    stage = ImageStage()
    judged = await stage.ctx.score(PICTURE, [pictured(FOUR[0]), pictured(ODD), pictured(FOUR[3])], JUDGE)
    scores = [each.scores[JUDGE.name] for each in judged]
    assert [score.value is not None for score in scores] == [True, False, True]
    assert "cannot at one of 3 x 3 x 1" in scores[1].detail
    alone = await ImageStage().ctx.score(PICTURE, [pictured(FOUR[3])], JUDGE)
    assert scores[2] == alone[0].scores[JUDGE.name]


async def test_where_there_is_no_image_nothing_is_told() -> None:
    stage = ImageStage()
    looked = await door(stage).look(PICTURE, [None, FOUR[0]], "reward")
    assert [each is not None for each in looked] == [False, True]
    assert stage.ledger.spent == LOOK


async def test_an_engine_that_does_not_look_is_refused() -> None:
    with pytest.raises(UsageError, match=r"engine 'generator' must look at images, but .* kind 'image_reward'"):
        await door(ImageStage()).look(PICTURE, FOUR, "generator")
