"""Which settings hold at once when they change."""

from typing import Any

import pytest

from aibridge.config import Settings, renewed


def settings(**sections: Any) -> Settings:
    return Settings.model_validate(sections)


@pytest.mark.parametrize(
    "changed",
    [
        {"providers": {"openai": {"api_keys": ["k"]}}},
        {"mcp_servers": {"time": {"command": "x"}}},
        {"tools": {"max_rounds": 3}},
        {"telemetry": {"log_level": "debug"}},
        {"limits": {"all": {"requests_per_minute": 1}}},
    ],
)
def test_these_hold_at_once(changed: dict[str, Any]) -> None:
    assert renewed(settings(), settings(**changed)) == (settings(**changed), [])


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"server": {"port": 1}}, "server.port"),
        ({"server": {"workers": 2}}, "server.workers"),
        ({"recorder": {"url": "sqlite:///other.db"}}, "recorder.url"),
        ({"recall": {"enabled": False}}, "recall.enabled"),
        ({"telemetry": {"capture_content": True}}, "telemetry.capture_content"),
        ({"auth": {"mode": "keys"}}, "auth.mode"),
    ],
)
def test_these_need_a_restart(changed: dict[str, Any], key: str) -> None:
    assert renewed(settings(), settings(**changed)) == (settings(), [key])


def test_the_one_does_not_hold_the_other_up() -> None:
    new = settings(server={"port": 1}, telemetry={"log_level": "debug", "log_format": "json"}, tools={"prefix": "x"})
    in_force = settings(telemetry={"log_level": "debug"}, tools={"prefix": "x"})
    assert renewed(settings(), new) == (in_force, ["server.port", "telemetry.log_format"])
