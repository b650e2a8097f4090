"""Settings: read once from YAML and the environment, checked, and frozen."""

from aibridge.config.accounts import CircuitBreaker, Provider, Retries, Timeouts
from aibridge.config.faults import ConfigError
from aibridge.config.live import renewed
from aibridge.config.loading import load
from aibridge.config.settings import Auth, McpServer, Recall, Recorder, Server, Settings, Telemetry, Tools
from aibridge.config.source import Source
from aibridge.config.usage import Limit
from aibridge.config.watching import FileWatch

__all__ = [
    "Auth",
    "CircuitBreaker",
    "ConfigError",
    "FileWatch",
    "Limit",
    "McpServer",
    "Provider",
    "Recall",
    "Recorder",
    "Retries",
    "Server",
    "Settings",
    "Source",
    "Telemetry",
    "Timeouts",
    "Tools",
    "load",
    "renewed",
]
