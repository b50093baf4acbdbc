"""What selection by execution asks for: inputs to run programs on, inputs that tell two apart, and a judgement."""

from __future__ import annotations

from ..orchestrator.prompting import FENCED

INPUTS = """Question:
{question}

Write {count} inputs for programs that answer this question: ordinary ones and edge cases, each complete. Reply with a \
JSON list of strings and nothing else."""
PROGRAMS = f"""Below are a question and two programs that answer it, and perhaps what they put out. {FENCED}

Question:
{{question}}

Programs:
{{responses}}

"""
DISTINGUISH = f"""{PROGRAMS}Write {{count}} inputs for which the two programs give different outputs, each complete. \
Reply with a JSON list of strings and nothing else."""
JUDGE = f"""{PROGRAMS}Inputs and outputs:
{{outputs}}

Work out which outputs are right, and so which program is. End with a line that is [1], [2], or [Tie] alone."""
