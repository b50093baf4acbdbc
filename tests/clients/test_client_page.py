"""The page of clients shows the very scripts that are run."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "serve-a-frontier.md"
SCRIPTS = Path(__file__).parent / "scripts"
TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def test_the_page_shows_every_script_as_it_is_run() -> None:
    shown = TITLED.findall(PAGE.read_text())
    assert dict(shown) == {path.name: path.read_text() for path in SCRIPTS.iterdir() if path.is_file()}
    assert len(shown) == len(dict(shown))
