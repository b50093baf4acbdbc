"""What a judge finds in the prompts of judges: the responses, and the code that signs a verdict."""

import re
from collections.abc import Callable

from judge_engine import Chances, Says, prompt_text

from ponder.orchestrator.engine import Prompt

RESPONSE = re.compile(r"^\[\d+\]\n(== [0-9a-f]{16} ==)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"\b([0-9a-f]{8}) (?=\[|\\boxed|Scores:)")
Worth = Callable[[str], float]


def shown(prompt: Prompt) -> list[str]:
    """The numbered responses of a prompt, in the order shown."""
    return [text for _, text in RESPONSE.findall(prompt_text(prompt))]


def code_of(prompt: Prompt) -> str:
    """The code that the end of a prompt asks for, and a space; empty where it asks for none."""
    codes = CODE.findall(prompt_text(prompt).rpartition(" ==\n")[2])
    return f"{codes[-1]} " if codes else ""


def ranking(worth: Worth) -> Says:
    """A judge that orders all responses by what they are worth."""

    def says(prompt: Prompt) -> str:
        texts = shown(prompt)
        order = sorted(range(len(texts)), key=lambda i: -worth(texts[i]))
        return f"I see.\n{code_of(prompt)}{' > '.join(f'[{i + 1}]' for i in order)}"

    return says


def choosing(worth: Worth) -> Says:
    """A judge that names the better of two responses."""

    def says(prompt: Prompt) -> str:
        first, second = map(worth, shown(prompt))
        word = "Tie" if first == second else "1" if first > second else "2"
        return f"I see.\n{code_of(prompt)}[{word}]"

    return says


def leaning(worth: Worth) -> Chances:
    """A judge that is three to one for the better of two responses."""

    def chances(prompt: Prompt, _: object) -> tuple[float, ...]:
        first, second = map(worth, shown(prompt))
        return (0.5, 0.5) if first == second else (0.75, 0.25) if first > second else (0.25, 0.75)

    return chances
