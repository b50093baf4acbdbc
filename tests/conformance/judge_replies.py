"""What judges write when a verifier asks them in words: they like texts for what they say, or places alone."""

import re
from collections.abc import Callable, Sequence

from ponder.orchestrator.canonical import digest
from ponder.orchestrator.images import Image
from ponder.orchestrator.types import Query
from ponder.verifiers.generative_reward import META_QUESTION

FENCED = re.compile(r"^(== [0-9a-f]{16} ==)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"\b([0-9a-f]{8}) (?=\[|Scores:)")
Says = Callable[[str], str]


def worth(text: str) -> int:
    """How much a judge likes a text, from 1 to 9."""
    return 1 + digest("worth", text)[0] % 9


def shown(prompt: str) -> list[str]:
    """The responses in a prompt, after its question."""
    return [text for _, text in FENCED.findall(prompt)][1:]


def coded(prompt: str, verdict: str) -> str:
    """The last line of a reply, behind the code that the prompt asks for."""
    codes = CODE.findall(prompt.rpartition(" ==\n")[2])
    return f"I see.\n{codes[-1]} {verdict}" if codes else f"I see.\n{verdict}"


def _ranked(by: Callable[[Sequence[str]], list[int]]) -> Says:
    def says(prompt: str) -> str:
        return coded(prompt, " > ".join(f"[{i + 1}]" for i in by(shown(prompt))))

    return says


def _by_worth(texts: Sequence[str]) -> list[int]:
    return sorted(range(len(texts)), key=lambda i: -worth(texts[i]))


ranks = _ranked(_by_worth)
ranks_by_place = _ranked(lambda texts: list(range(len(texts))))


def chooses(prompt: str) -> str:
    """The better of two."""
    first, second = map(worth, shown(prompt))
    return coded(prompt, "[Tie]" if first == second else "[1]" if first > second else "[2]")


def chooses_the_first(prompt: str) -> str:
    """The first of two."""
    return coded(prompt, "[1]")


def names(prompt: str) -> str:
    """The number of the better of two, alone."""
    first, second = map(worth, shown(prompt))
    return "1" if first > second else "2"


def scores(prompt: str) -> str:
    """A score for each response; asked whether such a reply is right, yes or no."""
    if META_QUESTION in prompt:
        return says_yes_or_no(prompt)
    return coded(prompt, f"Scores: \\boxed{{{', '.join(str(worth(text)) for text in shown(prompt))}}}")


def scores_by_place(prompt: str) -> str:
    """Less for each place further down."""
    return coded(prompt, f"Scores: \\boxed{{{', '.join(str(10 - i) for i, _ in enumerate(shown(prompt)))}}}")


def rates(prompt: str) -> str:
    """One digit for one response."""
    return str(worth(shown(prompt)[0]))


def rates_in_words(prompt: str) -> str:
    """One digit in brackets, after a remark."""
    return coded(prompt, f"[{rates(prompt)}]")


def says_yes_or_no(prompt: str) -> str:
    """Yes or no by all that is said, but for what a prompt's fences are made of."""
    return "Yes" if worth(re.sub(r"\b[0-9a-f]{8,16}\b", "", prompt)) > 5 else "No"


def rates_images(prompt: str) -> str:
    """One digit for the image of a prompt."""
    return str(worth(prompt.rpartition("\n")[2]))


def brightness(text: Image, query: Query | None = None) -> float:
    """How bright an image is, from 0 to 1."""
    return float(text.array.mean()) / 255


def sees_brightness(image: Image) -> tuple[float]:
    """The like, as a reward model tells it."""
    return (brightness(image),)


def mixed(one: Image, other: Image) -> Image:
    """An image between two."""
    return Image.of((one.array // 2 + other.array // 2).astype("uint8"))


def length_of(text: str, query: Query) -> float:
    """How short a text is."""
    return 1 / (1 + len(text))


def says_plus_or_minus(prompt: str) -> str:
    """A sign for the step that a prompt ends in."""
    return "+" if worth(prompt) > 5 else "-"


def reads_marks(text: str) -> list[tuple[float, float]]:
    """Bad and good of each marked step, by what stands before the mark."""
    before = [text[: mark.start()] for mark in re.finditer("<extra_0>", text)]
    return [(1 - worth(each) / 10, worth(each) / 10) for each in before]


def reads_the_whole(text: str) -> list[tuple[float]]:
    """One value for the whole text."""
    return [(worth(text) / 10,)]
