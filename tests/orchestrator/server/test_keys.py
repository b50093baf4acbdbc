"""What keys are: read from files and the environment, kept as digests, and never told."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.server.keys import Key, Keys

KEY = "pk-canary-5f0c2d9b7e61"
OTHER = "pk-second-8843aa10"
THIRD = "pk-third-1f33c8d2"


def sha256(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


TABLES = f"""
[[keys]]
name = "alice"
sha256 = "{sha256(KEY)}"
models = ["vote", "search-1"]
budget = {{ total_tokens = 1_000_000, cost_usd = 2.5 }}
requests_per_minute = 90
at_once = 8

[[keys]]  # bob may all
name = "bob"
key = "{OTHER}"
"""


def keys_in(tmp_path: Path, text: str, name: str = "keys") -> Keys:
    path = tmp_path / name
    path.write_text(text)
    return Keys.load(path, {})


def test_reads_keys_of_lines(tmp_path: Path) -> None:
    keys = keys_in(tmp_path, f"# ours\n\n{KEY}\n  sha256:{sha256(OTHER)}  \n")
    assert list(keys) == [Key(name="key-3", digest=sha256(KEY)), Key(name="key-4", digest=sha256(OTHER))]
    assert keys.find(KEY) is next(iter(keys))
    assert keys.find("# ours") is None and keys.find("") is None and keys.find(sha256(OTHER)) is None


@pytest.mark.parametrize("name", ["keys", "keys.toml"])
def test_reads_keys_of_tables(tmp_path: Path, name: str) -> None:
    alice, bob = keys_in(tmp_path, TABLES, name)
    assert alice == Key(
        name="alice",
        digest=sha256(KEY),
        models=("vote", "search-1"),
        budget=Budget(total_tokens=1_000_000, cost_usd=2.5),
        requests_per_minute=90.0,
        at_once=8,
    )
    assert bob == Key(name="bob", digest=sha256(OTHER))
    assert [alice.may_ask("vote"), alice.may_ask("search"), bob.may_ask("search")] == [True, False, True]


def test_reads_keys_of_the_environment_beside_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(TABLES)
    keys = Keys.load(path, {"PONDER_API_KEYS": f", {THIRD},\n"})
    assert [key.name for key in keys] == ["environment-1", "alice", "bob"]
    assert not Keys.load(None, {})
    with pytest.raises(UsageError, match="'environment-1' and 'bob' are equal"):
        Keys.load(path, {"PONDER_API_KEYS": OTHER})


def test_anyone_may_ask_anything() -> None:
    anyone = Key.anyone()
    assert anyone.may_ask("any") and anyone.budget == Budget()
    assert (anyone.name, anyone.requests_per_minute, anyone.at_once) == ("anyone", None, None)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "at least one key"),
        ("# none\n", "at least one key"),
        ("short\n", "line 1"),
        (f"{THIRD}\ntwo words {OTHER}\n", "line 2"),
        ("clé-clé-clé\n", "visible ASCII"),
        (f"{KEY}\n{OTHER}\nsha256:{sha256(KEY)}\n", "'key-1' and 'key-3' are equal"),
        (f'[[keys]]\nname="alice"\nkey="{KEY}\n', "not at line 3, column"),
        (f'[keys]\nalice = "{KEY}"\n', r"tables \[\[keys\]\] and nothing else"),
        (f'keys = ["{KEY}"]\n', "table 1: a key must be a table of name, key, sha256"),
        (f'[[keys]]\nname = "alice"\nsecret = "{KEY}"\n', "table 1: a key must be a table of name, key, sha256"),
        (f'{TABLES}[[keys]]\nname = "carol"\n', "table 3: a key must be given as either"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nsha256 = "{sha256(KEY)}"\n', "just one of the two"),
        (f'[[keys]]\nname = "alice"\nsha256 = "{KEY}"\n', "table 1: sha256 must be 64"),
        (f'[[keys]]\nname = "alice"\nsha256 = "{sha256(KEY).upper()}"\n', "in lower case"),
        ('[[keys]]\nname = "alice"\nkey = 12345678\n', "the one in .*table 1 is not"),
        (f'[[keys]]\nname = "{KEY}"\nkey = "{KEY}"\n', "must not be its own name"),
        (f'[[keys]]\nkey = "{KEY}"\n', "name: Field required"),
        (f'[[keys]]\nname = "two words"\nkey = "{KEY}"\n', "name: String should match"),
        (f'{TABLES}[[keys]]\nname = "bob"\nkey = "{THIRD}"\n', "two are called 'bob'"),
        (f'{TABLES}[[keys]]\nname = "carol"\nkey = "{OTHER}"\n', "'bob' and 'carol' are equal"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nmodels = []\n', "models: Tuple should have at least 1"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nmodels = "{OTHER}"\n', "models: Input should be a valid tuple"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nbudget = {{ seconds = 5 }}\n', "budget: .*seconds is none of it"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nbudget = {{ tokens = 5 }}\n', "budget.tokens: Extra inputs"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nbudget = {{ calls = -1 }}\n', "budget.calls: Input should be"),
        (
            f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nrequests_per_minute = 0\n',
            "requests_per_minute: .*than 0",
        ),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nrequests_per_minute = nan\n', "requests_per_minute: "),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nat_once = true\n', "at_once: Input should be a valid integer"),
        (f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nat_once = 0\n', "at_once: .*greater than or equal to 1"),
    ],
)
def test_refuses_a_file_without_sound_keys_and_shows_none(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule) as error:
        keys_in(tmp_path, text)
    assert KEY not in str(error.value) and OTHER not in str(error.value)
    assert error.value.__cause__ is None and error.value.__suppress_context__ is (error.value.__context__ is not None)


def test_a_table_is_never_taken_for_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="table 1"):
        keys_in(tmp_path, '\n[[keys]]\nname="longenough"\n')
    with pytest.raises(UsageError, match="nothing else"):
        keys_in(tmp_path, 'name="longenough"\n', "keys.toml")


def test_refuses_a_missing_file_and_an_unsound_variable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check the path"):
        Keys.load(tmp_path / "none", {})
    (tmp_path / "latin").write_bytes(b"cl\xe9-cl\xe9-cl\xe9\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        Keys.load(tmp_path / "latin", {})
    with pytest.raises(UsageError, match="PONDER_API_KEYS"):
        Keys.load(None, {"PONDER_API_KEYS": "short"})


def test_refuses_keys_to_models_that_are_not_served(tmp_path: Path) -> None:
    keys = keys_in(tmp_path, TABLES)
    keys.check_models(["vote", "search-1", "other"])
    with pytest.raises(UsageError, match="key 'alice' opens 'search-1'; choose from other, vote"):
        keys.check_models(["vote", "other"])


def test_keeps_no_key_and_shows_no_digest(tmp_path: Path) -> None:
    keys = keys_in(tmp_path, TABLES)
    assert KEY not in repr(vars(keys)) and OTHER not in repr(vars(keys))
    assert sha256(OTHER) not in repr(list(keys))


def test_learns_the_length_of_a_key_once_it_was_used(tmp_path: Path) -> None:
    keys = keys_in(tmp_path, TABLES)
    assert keys.lengths == {len(OTHER)}
    assert keys.find("wrong-key") is None and keys.lengths == {len(OTHER)}
    assert keys.find(KEY) is not None and keys.lengths == {len(OTHER), len(KEY)}
