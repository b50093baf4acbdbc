"""What self-refinement asks for: a critique of a response, and a revision that heeds it."""

from __future__ import annotations

from ..orchestrator.prompting import FENCED

CRITIQUE = f"""Below are a question and a response to it. {FENCED}
Question:
{{question}}

Response:
{{responses}}

Check the response step by step. Tell what is wrong or missing in it, and how to put it right. If there is nothing to \
correct, write NO ISSUES on the last line, and nothing else on it."""
REVISION = f"""Below are a question, a response to it, and a critique of that response. {FENCED}
Question:
{{question}}

Response:
{{responses}}

Critique:
{{critique}}

Write a new and complete response to the question that mends what the critique is right about."""
