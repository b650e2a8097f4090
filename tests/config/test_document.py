"""What YAML may and may not be."""

import pytest

from aibridge.config import ConfigError
from aibridge.config.document import read


def refusal(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read(text, "a.yaml")
    return list(error.value.lines)


def test_plain_values_come_out() -> None:
    assert read("server: {port: 80, host: x}\nlist: [1, null, true, 1.5]", "a.yaml") == {
        "server": {"port": 80, "host": "x"},
        "list": [1, None, True, 1.5],
    }


def test_anchors_and_merges_work() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo: {<<: *one, b: 3}"
    assert read(text, "a.yaml")["two"] == {"a": 1, "b": 3}


@pytest.mark.parametrize("text", ["", "~", "# only words", "---\n..."])
def test_nothing_is_no_settings(text: str) -> None:
    assert read(text, "a.yaml") == {}


def test_a_syntax_error_names_file_line_and_column() -> None:
    assert refusal("server:\n  port: [1, 2\nauth: x") == [
        "a.yaml: line 3, column 5: no valid YAML: expected ',' or ']', but got ':'"
    ]


def test_a_control_character_is_refused() -> None:
    assert refusal("a: \x01") == ["a.yaml: no valid YAML: special characters are not allowed"]


def test_no_object_is_made() -> None:
    (line,) = refusal("a: !!python/object/apply:os.getcwd []")
    assert line.startswith("a.yaml: line 1, column 4: no valid YAML: could not determine a constructor")


def test_one_file_holds_one_document() -> None:
    assert refusal("a: 1\n---\nb: 2") == ["a.yaml: line 2, column 1: no valid YAML: but found another document"]


@pytest.mark.parametrize("text", ["- 1", "5", "just words"])
def test_anything_but_a_mapping_is_refused(text: str) -> None:
    assert refusal(text) == ["a.yaml: must be a mapping of settings such as `server: {port: 8080}`"]


def test_every_key_that_stands_twice_is_named_with_its_lines() -> None:
    text = "server:\n  port: 1\n  port: 2\nlist:\n  - {a: 1, a: 2}\nserver: {}"
    assert refusal(text) == [
        "a.yaml: server: line 6: this key stands in line 1 already",
        "a.yaml: server.port: line 3: this key stands in line 2 already",
        "a.yaml: list.0.a: line 5: this key stands in line 5 already",
    ]


def test_an_alias_that_holds_itself_is_refused() -> None:
    assert refusal("a: &a [*a]") == ["a.yaml: a.0: line 1: an alias that holds itself"]


def test_brackets_without_end_do_no_harm() -> None:
    assert refusal("[" * 100_000) == ["a.yaml: no settings are nested so deeply"]
