"""JSON under a schema: strict reading, exact verdicts, nothing fetched, and schemas that take for ever."""

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import judge, judged
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.verifiers import VERIFIERS, JsonSchema
from ponder.verifiers.strict_json import is_within_limits, json_part, parsed

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
ANY = JsonSchema(json_schema={})
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def verdict(schema: object, text: str) -> tuple[float | None, str]:
    verifier = schema if isinstance(schema, JsonSchema) else JsonSchema(json_schema=schema)
    (score,) = asyncio.run(judged(verifier, [text], None))
    return score.value, score.detail


@pytest.mark.parametrize(
    ("text", "value", "detail"),
    [
        ('{"name": "Ada", "age": 36}', 1.0, ""),
        (' {"age": 36.0, "name": ""} \n', 1.0, ""),
        ('{"name": "Ada", "age": "36"}', 0.0, "$.age: '36' is not of type 'integer'"),
        ('{"name": "Ada", "age": -1}', 0.0, "$.age: -1 is less than the minimum of 0"),
        ('{"age": 1}', 0.0, "$: 'name' is a required property"),
        ('{"name": "Ada", "x": 1}', 0.0, "$: Additional properties are not allowed ('x' was unexpected)"),
        ("[]", 0.0, "$: [] is not of type 'object'"),
        ('{"name": "Ada"', 0.0, "no JSON: unexpected end of data at character 14"),
        ("", 0.0, "no JSON: Input is a zero-length, empty document at character 0"),
        ('{"name": "Ada"} and so on', 0.0, "no JSON: unexpected content after document at character 16"),
        ('{"name": "Ada", "age": NaN}', 0.0, None),
        ('{"name": "Ada", "age": 1e999}', 0.0, None),
        ('{"name": "\\ud800"}', 0.0, None),
        ('{"name": "Ada", "name": "Eve"}', 0.0, "the name 'name' stands twice in one object"),
        ('Sure:\n```json\n{"name": "Ada"}\n```\nIs that fine?', 1.0, ""),
        ('```json\n{}\n```\nNo:\n```\n{"name": "Ada"}\n```', 1.0, ""),
        ('```json\n{"name": "Ada"}\n```\nNo:\n```json\n{"name":', 1.0, ""),
        ('{"name": "```"}', 1.0, ""),
        ('```json\n{"name": "a\u2028b\x85c"}\n```', 1.0, ""),
        ('```json\r\n{"name":\r\n"Ada"}\r\n```\r\nDone.', 1.0, ""),
    ],
)
def test_verdicts(text: str, value: float, detail: str | None) -> None:
    found = verdict(PERSON, text)
    assert found[0] == value
    assert detail is None or found[1] == detail


def test_a_detail_is_short_whatever_the_text_is() -> None:
    value, detail = verdict({"type": "integer"}, json.dumps("x" * 100_000))
    assert value == 0.0
    assert len(detail) <= 200
    value, detail = verdict({"additionalProperties": False}, json.dumps({"x" * 100_000: 1}))
    assert (value, len(detail)) == (0.0, 200)


@given(json_values)
def test_all_that_is_json_is_read_and_is_an_instance_of_itself(value: Any) -> None:
    text = json.dumps(value)
    assert parsed(text) == value
    assert is_within_limits(text)
    assert json_part(text) == text


def test_a_constant_is_an_instance_of_itself_alone() -> None:
    values = [None, True, 1, 1.5, "1", [], [1], {}, {"a": None}]
    texts = [json.dumps(value) for value in values]
    for i, value in enumerate(values):
        assert judge(JsonSchema(json_schema={"const": value}), texts, None) == [
            float(i == j) for j in range(len(values))
        ]


@pytest.mark.parametrize(
    "text", ["[" * 65 + "]" * 65, "[" * 100_000, '{"a":' * 65 + "1" + "}" * 65, '"' + "x" * 1_000_000 + '"']
)
def test_what_is_too_deep_or_long_is_not_judged(text: str) -> None:
    assert verdict(ANY, text) == (None, "longer than 1000000 characters, or nested more than 64 deep")


def test_limits_count_brackets_outside_strings_alone() -> None:
    assert verdict(ANY, "[" * 64 + "]" * 64) == (1.0, "")
    assert verdict(ANY, json.dumps("[" * 1000 + '\\"{')) == (1.0, "")
    began = time.process_time()
    assert is_within_limits('"' + '\\"' * 400_000)
    assert is_within_limits('\\"' * 400_000)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"pattern": "^(a+)+$"}, json.dumps("a" * 50 + "b")),
        ({"patternProperties": {"^(a+)+$": {}}}, json.dumps({"a" * 50 + "b": 1})),
        ({"uniqueItems": True}, json.dumps([{"a": i} for i in range(20_000)])),
        ({"$ref": "#"}, "1"),
        (
            {
                "allOf": [{"$ref": "#/$defs/0"}] * 9,
                "$defs": {str(i): {"allOf": [{"$ref": f"#/$defs/{i + 1}"}] * 9} for i in range(12)} | {"12": {}},
            },
            "1",
        ),
    ],
)
def test_what_takes_for_ever_is_not_judged(schema: dict[str, object], text: str) -> None:
    value, detail = verdict(JsonSchema(json_schema=schema, cpu_s=0.3), text)
    assert value is None
    assert detail.startswith(("time limit", "RecursionError"))


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "objet"}, r"must be a JSON Schema, but at \$\.type: 'objet'"),
        ({"pattern": "("}, r"must be a JSON Schema, but at \$\.pattern: '\(' is not a 'regex'"),
        ({"properties": {"a": {"minLength": -1}}}, r"\$\.properties\.a\.minLength"),
        ({"$ref": 5}, "must be a JSON Schema"),
        ({"$id": 5}, "must be a JSON Schema"),
        ({"$ref": "https://example.org/schema"}, "since nothing is fetched, but 'https://example.org/schema' does not"),
        ({"$ref": "other.json"}, "since nothing is fetched"),
        ({"$ref": "file:///etc/passwd"}, "since nothing is fetched"),
        ({"items": {"$ref": "#/$defs/no"}}, "must lead to a part of the schema itself"),
        ({"x": {"$ref": "http://a"}, "$ref": "#/x"}, "since nothing is fetched, but 'http://a' does not"),
        ({"$dynamicRef": "http://a#b"}, "since nothing is fetched"),
        ({"$schema": "http://a"}, "published draft, got 'http://a'; leave it out for 2020-12"),
        ({"$schema": 5}, "published draft, got 5"),
        ({"const": float("nan")}, "not JSON compliant"),
        ({"const": {1}}, "a schema must be JSON, but: Object of type set"),
        ("[]", "a schema must be an object, got list"),
        ("{", "no JSON: unexpected end of data"),
        ('{"a": 1, "a": 2}', "the name 'a' stands twice"),
        ({"const": "x" * 100_000}, "at most 100000 characters"),
        (5, "valid string"),
    ],
)
def test_what_is_no_schema_is_refused_when_it_is_made(schema: object, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        JsonSchema(json_schema=schema)
    with pytest.raises(UsageError, match=problem):
        VERIFIERS.build({"kind": "json_schema", "json_schema": schema})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}},
        {"$ref": "#a", "$defs": {"a": {"$anchor": "a", "type": "integer"}}},
        {"$id": "http://x/", "$ref": "a", "$defs": {"a": {"$id": "a", "type": "integer"}}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/a",
            "definitions": {"a": {"type": "integer"}},
        },
        {"enum": [5, {"$ref": "http://a"}]},
    ],
)
def test_references_within_the_schema_are_followed(schema: dict[str, object]) -> None:
    assert judge(JsonSchema(json_schema=schema), ["5", "6.5"], None) == [1.0, 0.0]


def test_the_published_drafts_may_be_referred_to() -> None:
    itself = JsonSchema(json_schema={"$ref": "https://json-schema.org/draft/2020-12/schema"})
    assert judge(itself, ['{"type": "object"}', '{"type": "objet"}'], None) == [1.0, 0.0]


def test_a_schema_is_kept_as_text_so_that_null_can_be_saved() -> None:
    verifier = JsonSchema(json_schema={"b": 1, "const": None})
    assert verifier.json_schema == '{"b": 1, "const": null}'
    assert JsonSchema(json_schema=verifier.json_schema) == verifier
    assert JsonSchema.model_validate(verifier.model_dump(mode="json")) == verifier
    assert judge(verifier, ["null", "0"], None) == [1.0, 0.0]


def test_traits() -> None:
    assert ANY.name == "json_schema:eefd62"
    assert JsonSchema(json_schema={"type": "null"}).name != ANY.name
    assert ANY.is_recorded
    assert not ANY.needs_reference
    (score,) = asyncio.run(judged(ANY, ["1"], None))
    assert (score.kind, score.scale, score.detail) == ("exact", "binary", "")
    assert judge(ANY, [], None) == []


def test_without_its_package_the_remedy_is_named() -> None:
    code = "import sys\nsys.modules['jsonschema'] = None\nfrom ponder.verifiers import JsonSchema\n"
    code += "JsonSchema(json_schema={})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (
        'UsageError: schemas of JSON need jsonschema, which is not installed; pip install "ponder[json]"' in done.stderr
    )
