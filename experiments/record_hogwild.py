"""Records docs/images/hogwild.svg: workers of the embedded model as `ponder run` shows them, from a real run.

    python experiments/record_hogwild.py

Two workers share out four chains of a test problem, as in docs/hogwild.md. Each does two, waits (``.``) until the other
has written the results of its own, and answers with all four, two of which it can only have read.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

import ponder
from ponder.panes import Panes
from ponder.strategies import Hogwild

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "hogwild.svg"
QUESTION = "a89+8 b32*2 c77-5+24-33 d94+4+1="
BUDGET = ponder.Budget(total_tokens=1_000)
WIDTH, HEIGHT = 72, 14
FONT = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)
"""What would fetch a font; whoever looks has one of even width."""


def recorded() -> Panes:
    """The workers of a run as they stand at its end."""
    pipeline = ponder.Pipeline.series(
        Hogwild(
            workers=2,
            layout="contiguous",
            max_tokens=80,
            temperature=0,
            quorum=0,
            instructions="",
            names=("1/2", "2/2"),
            opening="{name}:",
            greetings=("",),
            cue_tokens=0,
            answer_opens="#",
            answer_ends="\n",
        ),
        engines={"generator": ponder.TorchSpec(model="abacus-workers")},
    )
    now = Panes(budget=BUDGET)

    def on_written(written: ponder.Written) -> None:
        nonlocal now
        now = now.after(written)

    ponder.run(pipeline, QUESTION, budget=BUDGET, on_written=on_written)
    return now.ended()


def main() -> None:
    """Run, draw, write."""
    screen = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO())
    screen.print(recorded())
    picture = screen.export_svg(
        title=f'ponder run workers.toml "{QUESTION}"',
        code_format=FONT.sub("", CONSOLE_SVG_FORMAT),
        unique_id="hogwild",
    )
    IMAGE.parent.mkdir(exist_ok=True)
    IMAGE.write_text(picture)
    print(f"wrote {IMAGE}")


if __name__ == "__main__":
    main()
