"""Functions that judge, for the verifier that calls them."""

import asyncio
import threading
import time

import numpy as np

from ponder.orchestrator.types import Query, Score, Usage

held = threading.Event()
running = most = 0
_lock = threading.Lock()


def length(text: str, query: Query) -> float:
    return len(text)


async def length_later(text: str, query: Query) -> float:
    await asyncio.sleep(0)
    return len(text)


def is_reference(text: str, query: Query) -> bool:
    return text == query.reference


def returns(text: str, query: Query) -> object:
    """What the text says."""
    return {
        "true": True,
        "int": 3,
        "huge": 10**400,
        "float32": np.float32(0.5),
        "none": None,
        "nan": float("nan"),
        "text": "0.5",
        "list": [0.5],
        "two": 2.0,
        "score": Score(np.float64(0.25), (1, 2), "exact", "logit", "so it is", Usage(prompt_tokens=9)),
        "no score": Score(None, detail="who knows"),
        "later": length_later,
    }[text]


def raises(text: str, query: Query) -> float:
    raise {"stop": StopIteration, "exit": SystemExit, "time": TimeoutError, "value": ValueError}[text]("x" * 1000)


async def raises_later(text: str, query: Query) -> float:
    raise TimeoutError(text)


def sleeps(text: str, query: Query) -> float:
    """Sleeps until it is let go where the text says so."""
    if text == "sleep":
        held.wait(60)
    return 1.0


async def sleeps_later(text: str, query: Query) -> float:
    await asyncio.sleep(60 if text == "sleep" else 0)
    return 1.0


def counted(text: str, query: Query) -> float:
    """Counts how many calls run at once."""
    global running, most
    with _lock:
        running += 1
        most = max(most, running)
    time.sleep(0.01)
    with _lock:
        running -= 1
    return float(text)


class Holder:
    @staticmethod
    def inner(text: str, query: Query) -> float:
        return 1.0

    def method(self, text: str, query: Query) -> float:
        return 1.0


not_a_function = 3
a_lambda = lambda text, query: 1.0  # noqa: E731
