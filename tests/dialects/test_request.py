"""What a request holds of the client's body while its response goes on."""

import sys

import pytest

from tests.dialects.chat import Chat
from tests.dialects.messages import MessagesVoice
from tests.dialects.playing import TIME, Voice
from tests.dialects.responses import ResponsesVoice


@pytest.mark.parametrize("voice", [Chat(), ResponsesVoice(), MessagesVoice()], ids=lambda voice: voice.name)
def test_the_clients_bytes_are_let_go_once_others_went_in_their_place(voice: Voice) -> None:
    body = voice.request(streaming=True)
    exchange = voice.exchange(body, [TIME])
    sent = exchange.request()
    assert sent != body
    assert sys.getrefcount(body) == 2  # ours, and that of the call
    assert exchange.request() == sent
