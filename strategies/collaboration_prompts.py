"""What workers that write side by side are told: the rules, how their steps begin, and what they are asked."""

from __future__ import annotations

NAMES = (
    "Alice",
    "Bob",
    "Carol",
    "Dave",
    "Erin",
    "Frank",
    "Grace",
    "Heidi",
    "Ivan",
    "Judy",
    "Ken",
    "Laura",
    "Mike",
    "Nina",
    "Oscar",
    "Peggy",
)
INSTRUCTIONS = """Several assistants work on this at the same time. Each sees what the others write while they write \
it, and what each writes begins with its name.

* First agree in a few words who does what. Where you disagree, the assistant named first decides.
* Use what the others have found, and tell them what you find. Write short steps with an empty line after each.
* Do not do what another has done or is doing. If you notice that you are, say so and turn to something else.
* Whoever knows the final answer writes it as {form}. It cannot be changed afterwards."""
OPENING = "**{name} [{step}]:** "
GREETINGS = ("Hi, I'm {name}. Here's how we can", "Hi, I'm {name}.")
CUE = "Quick check: am I doing redundant work? (yes/no): "
FINISHER = "Wait, given the limited time, I have to give an answer right now. The final answer is "
UNFINISHED = "<...>"
"""What stands after a step that was broken off."""
