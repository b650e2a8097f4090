"""Keys from the command line, before any gateway has run."""

import re
import sqlite3

import pytest

from tests.cli.conftest import Run


def test_a_key_is_shown_once_alone_on_a_line(run: Run) -> None:
    status, out, err = run("keys", "create", "--actor", "alice", "--role", "auditor", "--metadata", "team=red=ish")
    assert status == 0
    assert re.fullmatch(r"aib_[0-9A-Za-z]{49}\n", out)
    assert "A key for alice (auditor)" in err
    assert out.strip() not in err
    status, listed, _ = run("keys", "list")
    assert status == 0
    assert all(word in listed for word in ("alice", "auditor", f"aib_…{out.strip()[-4:]}", "team=red=ish"))
    assert out.strip() not in listed


@pytest.mark.parametrize("name", ["id", "hint", "end"])
def test_a_key_is_revoked_by_what_the_list_shows(run: Run, name: str) -> None:
    secret = run("keys", "create", "--actor", "alice").out.strip()
    [(key_id,)] = sqlite3.connect("aibridge.db").execute("SELECT id FROM aibridge_keys").fetchall()
    word = {"id": key_id, "hint": f"aib_…{secret[-4:]}", "end": secret[-4:]}[name]
    status, out, _ = run("keys", "revoke", word)
    assert (status, out) == (0, f"Revoked aib_…{secret[-4:]} of alice: gateways refuse it within five seconds.\n")
    assert run("keys", "revoke", word) == (1, "", f"there is no good key {word}: aibridge keys list shows them\n")


def test_what_means_several_keys_revokes_none(run: Run) -> None:
    for _ in range(2):
        run("keys", "create", "--actor", "alice")
    with sqlite3.connect("aibridge.db") as connection:
        connection.execute("UPDATE aibridge_keys SET hint = 'aib_…same'")
    status, out, err = run("keys", "revoke", "same")
    assert (status, out) == (1, "")
    assert "same means several keys: name one by its id (" in err


def test_where_there_are_none_it_says_how_to_make_one(run: Run) -> None:
    assert run("keys", "list") == (0, "", "There are no keys yet: aibridge keys create --actor NAME makes one.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["create"],
        ["create", "--actor", ""],
        ["create", "--actor", "a\nb"],
        ["create", "--actor", "a" * 257],
        ["create", "--actor", "a", "--role", "root"],
        ["create", "--actor", "a", "--metadata", "novalue"],
        ["create", "--actor", "a", "--metadata", "=x"],
        ["revoke"],
    ],
)
def test_wrong_usage_makes_no_key(run: Run, arguments: list[str]) -> None:
    status, out, err = run("keys", *arguments)
    assert (status, out) == (2, "")
    assert "usage: aibridge keys" in err


def test_the_settings_may_be_named_before_or_after_the_action(run: Run) -> None:
    told = (1, "", "no.yaml: there is no such file\n")
    assert run("keys", "--config", "no.yaml", "list") == told
    assert run("keys", "list", "--config", "no.yaml") == told


def test_a_database_that_cannot_be_used_is_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIBRIDGE_RECORDER__URL", "postgresql://u:canary@127.0.0.1:1/d")
    status, out, err = run("keys", "list")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "canary" not in err
