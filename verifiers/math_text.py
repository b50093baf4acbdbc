"""Where the final answer of a mathematical text stands, and its plain spelling; no computer algebra yet."""

from __future__ import annotations

import re

LONGEST = 2000
DEEPEST = 50
TAIL = 20_000
_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_MARKER = re.compile(r"####|\banswer\b(?:\s+to\b[^.\n]{0,80}?)?[\s*]*(?:is\b|:|=)\s*:?", re.IGNORECASE)
_FENCES = (("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_NOT_PROSE = re.compile(
    r"\\(?:text|textbf|mathrm|mathbf|operatorname)\s*\{[^{}]*\}|\\(?:begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+"
    r"|\b(?:a?r?c?(?:sin|cos|tan)h?|sec|csc|cot|log|ln|exp|sqrt|pi|min|max)\b"
)
_LITERAL = re.compile(r"(?:(?<![\w)\]}.])[-+−])?\$?[0-9.,]+(?:[eE][-+]?[0-9]+)?(?:/[0-9]+)?")
_SPACING = re.compile(r"(\\\\)|\\[!,;:> ]|~|\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\s+")
_IDLE_SPACE = re.compile(r"(\\\\|\\[A-Za-z]+ (?=[A-Za-z])|\\[A-Za-z]+)| ")
_WHOLE_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}")
_UNIT = re.compile(r"(?<=[\w)}\]])\s*\\(?:text|mathrm)\s*\{[^{}]*\}(?:\^\{?[0-9]\}?)?$")
_MARKS = re.compile(r"\\?[%$]|\^\s*+(?:\{\s*+)?\\circ\s*\}?|\\degree(?![A-Za-z])|°")
_FRACTION = re.compile(r"([-+]?)\\frac\{([0-9]+)\}\{([0-9]+)\}|([-+]?)\\frac([0-9])([0-9])")


def final_expression(text: str) -> str | None:
    r"""The final answer as it is written; None where none can be found.

    The last complete ``\boxed{}`` (nothing, where the only box is cut short), else what follows the last "answer is",
    "answer:" or "####" (or the whole text where nothing does): its last formula between dollars or brackets, the whole
    of it where it is bare mathematics or one word, or its last number.

    >>> final_expression(r"So \boxed{\frac{1}{2}}."), final_expression("It is 7 days."), final_expression("No idea.")
    ('\\frac{1}{2}', '7', None)
    """
    tail = text[-TAIL:]
    box = _last_box(tail)
    if box is not None or _BOX.search(tail):
        return box.strip() or None if box else None
    region = _after_marker(tail)
    return _last_formula(region) or _bare(region) or _last_literal(region)


def is_within_limits(expression: str) -> bool:
    """Whether a parser may see `expression`: at most 2,000 characters, brackets nested at most 50 deep."""
    if len(expression) > LONGEST:
        return False
    depth = deepest = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest <= DEEPEST


def plain(expression: str) -> str:
    r"""`expression` without what does not count: spacing, dollars, percent and degree signs, trailing units.

    >>> plain(r"\$1\,000"), plain(r"50\%"), plain(r"\dfrac12\text{ cm}"), plain(r"\text{ Not  enough}")
    ('1000', '50', '\\frac12', 'Not enough')
    """
    short = (
        re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", _MARKS.sub("", expression)).replace("−", "-").replace("{,}", ",")
    )
    whole = _WHOLE_TEXT.fullmatch(short.strip())
    if whole:
        short = whole[1]
    if words_of(short) is not None:
        return " ".join(short.split()).strip(".")
    short = _SPACING.sub(lambda found: found[1] or " ", _UNIT.sub("", short.strip().rstrip(".,;")))
    short = _IDLE_SPACE.sub(lambda found: found[1] or "", short).rstrip(".,;")
    choice = re.fullmatch(r"\(([A-Za-z])\)", short)
    return choice[1] if choice else short


def words_of(expression: str) -> str | None:
    """The words in one spelling where the answer is words, not mathematics: at least one of three letters or more.

    >>> words_of("Not  Enough"), words_of("x"), words_of("2 cm")
    ('not enough', None, None)
    """
    words = expression.split()
    is_prose = all(re.fullmatch(r"[^\W\d_]+[.,]?", word) for word in words) and any(len(word) > 2 for word in words)
    return " ".join(words).casefold().strip(".") if is_prose else None


def fraction_of(expression: str) -> str:
    r"""``\frac{a}{b}`` of whole numbers as ``a/b``; anything else unchanged."""
    found = _FRACTION.fullmatch(expression)
    if found is None:
        return expression
    return f"{found[1] or found[4] or ''}{found[2] or found[5]}/{found[3] or found[6]}"


def _last_box(text: str) -> str | None:
    """The content of the complete box that starts last, in one pass."""
    opened: list[int | None] = []
    last: tuple[int, int] | None = None
    for found in _BRACES.finditer(text):
        brace = found[0]
        if brace == "{":
            opened.append(None)
        elif brace.endswith("{") and len(brace) > 2:
            opened.append(found.end())
        elif brace == "}" and opened:
            start = opened.pop()
            if start is not None and (last is None or start > last[0]):
                last = (start, found.start())
    return None if last is None else text[last[0] : last[1]]


def _after_marker(text: str) -> str:
    """The rest of the line after the last marker; the whole text where there is none."""
    found = None
    for found in _MARKER.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    if found is None or not text[found.end() :].strip():
        return text
    return text[found.end() :].lstrip().partition("\n")[0]


def _last_formula(region: str) -> str | None:
    region = region.replace(r"\$", "").replace("$$", "$")
    spans = []
    for opening, closing in _FENCES:
        end = region.rfind(closing)
        start = region.rfind(opening, 0, max(end, 0))
        if end > 0 and start >= 0:
            spans.append((end, region[start + len(opening) : end].strip()))
    content = max(spans)[1] if spans else ""
    return content if content and not _has_prose(content, longest=2) else None


def _bare(region: str) -> str | None:
    """The whole region where it is mathematics without a word, or one single word."""
    whole = region.strip().strip("*").rstrip(".").lstrip("=").strip()
    if not any(map(str.isalnum, whole)) or "\n" in whole:
        return None
    is_word = re.fullmatch(r"\(?[^\W\d_]+\)?", whole) is not None
    return whole if is_word or not _has_prose(whole, longest=1) else None


def _last_literal(region: str) -> str | None:
    literals = [found[0].rstrip(".,") for found in _LITERAL.finditer(region)]
    return next((literal for literal in reversed(literals) if any(map(str.isdigit, literal))), None)


def _has_prose(content: str, longest: int) -> bool:
    """Whether a word of more than `longest` letters stands outside commands and names of functions."""
    return any(len(word) > longest for word in re.findall(r"[^\W\d_]+", _NOT_PROSE.sub(" ", content)))
