"""${NAME} in values."""

import pytest

from aibridge.config.expansion import Expansion
from tests.config.conftest import Faults, Load

ENVIRON = {"NAME": "value", "EMPTY": "", "API_TOKEN": "hush"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${NAME}", "value"),
        ("a ${NAME} b${NAME}", "a value bvalue"),
        ("${env:NAME}", "value"),
        ("${NAME:-other}", "value"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${ABSENT:-other}", "other"),
        ("${ABSENT:-}", ""),
        ("${ABSENT:-http://x:1/y?z}", "http://x:1/y?z"),
        ("$${NAME}", "${NAME}"),
        ("$NAME and $", "$NAME and $"),
    ],
)
def test_a_reference_becomes_its_value(text: str, expanded: str) -> None:
    expansion = Expansion(ENVIRON)
    assert expansion.expand(text) == expanded
    assert not expansion.faults


def test_it_reaches_into_mappings_and_lists_and_leaves_keys_and_numbers() -> None:
    tree = {"${NAME}": ["${NAME}", 5, None, {"a": "${NAME}"}]}
    assert Expansion(ENVIRON).expand(tree) == {"${NAME}": ["value", 5, None, {"a": "value"}]}


def test_a_value_is_not_expanded_twice() -> None:
    assert Expansion({"A": "${B}", "B": "b"}).expand("${A}") == "${B}"


def test_an_unset_variable_is_named_with_its_key(faults: Faults) -> None:
    assert faults("server: {host: '${HERE}'}") == [
        "aibridge.yaml: server.host: the environment variable HERE is not set; set it, or write ${HERE:-default}"
    ]


@pytest.mark.parametrize("text", ["${input:key}", "${}", "${A-b}", "${1}", "${unclosed"])
def test_a_reference_that_reads_like_none_is_a_fault(text: str) -> None:
    expansion = Expansion(ENVIRON)
    expansion.expand({"a": [text]})
    assert expansion.faults == {
        ("a", "0"): f"{text} is neither ${{NAME}} nor ${{NAME:-default}}; a plain ${{ is written $${{"
    }


def test_what_may_be_a_secret_is_remembered() -> None:
    expansion = Expansion(ENVIRON)
    expansion.expand({"a": "${API_TOKEN}", "b": "${NAME}"})
    assert expansion.hidden == {("a",)}


def test_a_value_out_of_a_secret_variable_is_not_shown(faults: Faults) -> None:
    assert faults("auth: {mode: '${API_TOKEN}'}", API_TOKEN="hush") == [
        "aibridge.yaml: auth.mode: must be 'none', 'keys' or 'header' (its value is not shown)"
    ]


def test_unset_and_empty_api_keys_are_dropped(settings: Load) -> None:
    text = 'providers: {openai: {api_keys: ["${ONE}", "", "sk-${ABSENT}", "${TWO}", "  "]}}'
    assert settings(text, ONE="sk-1", TWO=" sk-2\n").providers["openai"].api_keys == ("sk-1", "sk-2")


def test_numbers_and_switches_may_come_from_variables(settings: Load) -> None:
    text = "{server: {port: '${PORT}'}, telemetry: {capture_content: '${YES}'}, recorder: {retention_days: '${D:-}'}}"
    read = settings(text, PORT="9000", YES="true")
    assert (read.server.port, read.telemetry.capture_content, read.recorder.retention_days) == (9000, True, None)
