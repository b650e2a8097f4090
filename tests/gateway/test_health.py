"""Alive, and able to serve."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from aibridge.gateway.health import Readiness, Report, healthz


async def fine() -> Report:
    return Report(ready=True, detail="fine")


async def broken() -> Report:
    return Report(ready=False, detail={"error": "disk full"})


def client(readiness: Readiness) -> TestClient:
    return TestClient(Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readiness.page)]))


def test_alive() -> None:
    assert client(Readiness({})).get("/healthz").json() == {"status": "ok"}


def test_ready_when_every_room_is() -> None:
    response = client(Readiness({"recorder": fine})).get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "recorder": "fine"}


def test_not_ready_says_which_room_and_why() -> None:
    response = client(Readiness({"recorder": broken, "tools": fine})).get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "recorder": {"error": "disk full"}, "tools": "fine"}


def test_a_gateway_that_stops_takes_no_more() -> None:
    readiness = Readiness({"recorder": fine})
    readiness.stop()
    response = client(readiness).get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "stopping"
