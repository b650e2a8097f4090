"""Each client as its page in docs/clients says: a tool of ours is called, the answer printed, all of it recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.aimock import Aimock, call, tokens, when
from tests.e2e.clients.conftest import News
from tests.e2e.clients.pages import QUESTION, Page, pages
from tests.e2e.clients.running import Run, prepare, run, skip_unless_installed
from tests.served import Gateway, Row

ANSWER = "The sum is five."
PAGES = [page for page in pages() if page.by_e2e]

# Kilo sends what it knows of its surroundings as the last part of the question, and the last part is what is recorded.
PROMPT_IS_ANOTHER_PART = {"kilo"}


@pytest.fixture(autouse=True)
def script(aimock: Aimock) -> None:
    """The answer needs a tool of ours. Other questions are asked by some clients on their own: titles, memories."""
    first = {
        "reasoning": "A tool can add.",
        "content": "Let me add. ",
        "toolCalls": [call("bmcp_http_get-sum", a=2, b=3)],
    }
    aimock.script(
        when(QUESTION, answers={**first, "usage": tokens(20, 7)}),
        when(QUESTION, told="is 5", answers={"content": ANSWER, "usage": tokens(30, 4)}),
        {"match": {}, "response": {"content": "Nothing."}},
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_s_settings_make_the_client_work(
    page: Page, gateway: Gateway, news: News, path: Path, tmp_path: Path
) -> None:
    skip_unless_installed(page, path)
    work = prepare(page, tmp_path, gateway.url)

    for command in page.commands:
        check_answer(command, run(command, tmp_path, work, path, gateway.url))

    rows = news()
    assert {row["route"] for row in rows} == page.routes
    assert {row["client"] for row in rows} == {page.client}
    assert all(bool(row["client_session_id"]) == page.session for row in rows)
    assert [(row["status"], row["error_message"]) for row in rows] == [("completed", None)] * len(rows)
    answers = [row for row in rows if row["rounds"] == 2]
    assert {row["route"] for row in answers} == page.routes
    assert len(answers) >= len(page.commands)
    for row in answers:
        check_records(page, gateway, row)


def check_answer(command: str, result: Run) -> None:
    assert result.status == 0, f"{command}\n{result.output}"
    assert ANSWER in result.output, f"{command}\n{result.output}"
    assert "bmcp_" not in result.output


def check_records(page: Page, gateway: Gateway, row: Row) -> None:
    if page.name not in PROMPT_IS_ANOTHER_PART:
        (prompt,) = gateway.rows("aibridge_user_prompts", row["id"])
        assert QUESTION in prompt["prompt"]
    usages = gateway.rows("aibridge_token_usages", row["id"])
    assert [(usage["input_tokens"], usage["output_tokens"]) for usage in usages] == [(20, 7), (30, 4)]
    (tool,) = gateway.rows("aibridge_tool_usages", row["id"])
    assert (tool["tool"], tool["injected"], tool["invocation_error"]) == ("get-sum", 1, None)
    assert json.loads(tool["input"]) == {"a": 2, "b": 3}
