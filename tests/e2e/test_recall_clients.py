"""Hidden turns are remembered for clients that we did not write, which tell their conversations in their own ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from aibridge.testing import answer, call, thought
from aibridge.testing.answers import Answer
from aibridge.testing.request import Request
from aibridge.testing.view import View
from tests.e2e.clients.pages import ADDRESS, QUESTION, Page, pages
from tests.e2e.clients.running import prepare, programs, run, skip_unless_installed
from tests.e2e.recalling import WAYS, House, Provider, Way, all_ids, house, ids, shown

WORD = "quince"  # in the file that they read
PAGES = {page.name: page for page in pages()}
NOW = "bmcp_time_get_current_time"


@dataclass(frozen=True, slots=True)
class Client:
    """What is different about a client."""

    page: str
    command: int  # which of the page's
    route: str
    resumed: tuple[str, str]  # in the command, so that it goes on with its conversation
    tool: str = ""  # by which it reads a file; "": it has no tools
    argument: str = ""
    value: str = "{}"
    allowed: tuple[str, str] = ("", "")  # in the command, so that it may use its tool

    def __str__(self) -> str:
        return f"{self.page}{self.route}"

    def ask(self, question: str, *, again: bool) -> str:
        command = PAGES[self.page].commands[self.command].replace(*self.allowed)
        return (command.replace(*self.resumed) if again else command).replace(QUESTION, question)

    def reads(self, notes: Path) -> tuple[str, dict[str, str]]:
        return self.tool, {self.argument: self.value.format(notes)}


CODEX = (
    "codex exec --skip-git-repo-check --sandbox danger-full-access",
    "codex exec resume --last --skip-git-repo-check",
)
CLAUDE = ("claude -p", "claude --tools=Read --allowedTools=Read -p")
OPENCODE = ("opencode run", "opencode run --continue")
CLIENTS = [
    Client("claude-code", 0, "/messages", (" -p", " -c -p"), "Read", "file_path", allowed=CLAUDE),
    Client(
        "codex", 0, "/responses", CODEX, "exec_command", "cmd", "cat {}", allowed=("read-only", "danger-full-access")
    ),
    Client("llm", 0, "/chat/completions", ("llm", "llm --continue")),
    *(
        Client("opencode", number, route, OPENCODE, "read", "filePath")
        for number, route in enumerate(("/chat/completions", "/responses", "/messages"))
    ),
]


@dataclass
class Script:
    """Answers by the question that a conversation has come to. Whatever else a client asks, such as titles, is moot."""

    answers: Mapping[str, Sequence[Answer]]
    tool: str
    asked: list[Request] = field(default_factory=list)  # what belongs to the conversation

    def __post_init__(self) -> None:
        self._left = {question: deque(answers) for question, answers in self.answers.items()}

    @property
    def rounds(self) -> list[Answer]:
        return [one for answers in self.answers.values() for one in answers]

    def __call__(self, request: Request) -> Answer:
        text = msgspec.json.encode(request.messages).decode()
        questions = [question for question in self._left if question in text]
        if not questions or (self.tool and self.tool not in request.tool_names):
            return answer("Nothing.")
        self.asked.append(request)
        return self._left[questions[-1]].popleft()


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the programs."""
    directory = tmp_path_factory.mktemp("bin")
    programs(directory)
    return directory


@pytest.mark.parametrize(
    ("client", "way"),
    [(client, way) for client in CLIENTS for way in WAYS if client.page != "opencode" or way == "two gateways"],
    ids=str,  # opencode takes long to start
)
def test_a_client_s_provider_sees_every_hidden_turn_again(
    client: Client, way: Way, rooms: House, path: Path, tmp_path: Path
) -> None:
    page = PAGES[client.page]
    skip_unless_installed(page, path)
    provider, urls = rooms.provider(client.route), rooms.gateways.urls(way)
    url = next(urls)
    work = prepare(page, tmp_path, url)
    notes = work / "notes.txt"
    notes.write_text(f"{WORD}\n")
    provider.handler = script = conversation(client, notes)

    for number, (question, answers) in enumerate(script.answers.items()):
        url = next(urls) if number else url
        point(page, tmp_path, work, url)
        came = run(client.ask(question, again=number > 0), tmp_path, work, path, url)
        assert answers[-1].text in came.output, came.output
        assert "bmcp_" not in came.output

    assert provider.faults == []
    views = views_of(provider, script)
    assert len(views) == len(script.rounds)
    assert ids(shown(views[-1])) == all_ids(script.rounds[:-1])
    for before, after in pairwise(views):
        assert after.conversation[: len(before.conversation)] == before.conversation


def conversation(client: Client, notes: Path) -> Script:
    """Three turns with calls of ours; in the second also one of the client's, if it has tools.

    Each conversation is another one: of those that look the same the latest is remembered.
    """
    ours = call(NOW, {"timezone": "Asia/Tokyo"}, id="call_3")
    tool, arguments = client.reads(notes)
    second = (ours, call(tool, arguments, id="call_2")) if client.tool else (ours,)
    return Script(
        {
            f"What time is it in Oslo, for {uuid4().hex}?": [
                answer(thought("A clock is needed."), "Let me look. ", call(NOW, {"timezone": "UTC"}, id="call_1")),
                answer("It is noon, I was told."),
            ],
            "What do the notes say?": [
                answer(thought("Both are needed."), "I read and look. ", second),
                answer(thought("One thing more."), "Once more. ", call(NOW, {"timezone": "UTC"}, id="call_4")),
                answer("They name a fruit."),
            ],
            "Is there such a place as Nowhere?": [
                answer(thought("The clock knows."), "A last look. ", call(NOW, {"timezone": "Nowhere"}, id="call_5")),
                answer("There is none."),
            ],
        },
        client.tool,
    )


def point(page: Page, home: Path, work: Path, gateway: str) -> None:
    """Writes the page's files again, for another gateway."""
    for name, text in page.files.items():
        file = home / name.removeprefix("~/") if name.startswith("~/") else work / name
        file.write_text(text.replace(ADDRESS, gateway))


def views_of(provider: Provider, script: Script) -> list[View]:
    """What was shown to the model in this conversation."""
    asked = [request for request in provider.requests if request.path.endswith(tuple(ROUTES))]
    return [view for request, view in zip(asked, provider.views, strict=True) if request in script.asked]


ROUTES = {client.route for client in CLIENTS}
