"""Requests at a time: counted exactly, whatever end they come to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx2
import pytest
from starlette.types import Scope

from aibridge.errors import ClientError, Unavailable
from aibridge.gateway.crowd import Crowd
from aibridge.model import Actor
from aibridge.testing import Request, answer
from aibridge.testing.answers import Answer
from tests.gateway.serving import LIMITS, Served, chat, gateway

ANN, BOB = Actor("ann"), Actor("bob")


def test_there_is_room_for_so_many_in_all() -> None:
    crowd = Crowd(2, None)
    assert [crowd.enter(), crowd.enter()] == [None, None]
    refused = crowd.enter()
    assert isinstance(refused, Unavailable)
    assert (refused.status, refused.type, refused.retry_after) == (503, "overloaded", 1)
    crowd.leave({})
    assert (crowd.enter(), crowd.open) == (None, 2)


def test_each_actor_has_a_number_of_its_own() -> None:
    crowd, first, second = Crowd(10, 1), Scope_(), Scope_()
    crowd.enter()
    crowd.claim(first, ANN)
    crowd.enter()
    crowd.claim(second, BOB)
    crowd.enter()
    with pytest.raises(ClientError, match=r"ann has 1 requests open already \(server.max_concurrent_per_actor\)") as no:
        crowd.claim({}, ANN)
    crowd.leave({})
    assert (no.value.status, no.value.type, no.value.retry_after) == (429, "rate_limited", 1)
    crowd.leave(first)
    crowd.enter()
    crowd.claim({}, ANN)
