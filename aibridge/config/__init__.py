"""Settings: read once from YAML and the environment, checked, and frozen."""

from aibridge.config.faults import ConfigError
from aibridge.config.loading import load
from aibridge.config.settings import (
    Auth,
    CircuitBreaker,
    McpServer,
    Provider,
    Recall,
    Recorder,
    Retries,
    Server,
    Settings,
    Telemetry,
    Timeouts,
    Tools,
)

__all__ = [
    "Auth",
    "CircuitBreaker",
    "ConfigError",
    "McpServer",
    "Provider",
    "Recall",
    "Recorder",
    "Retries",
    "Server",
    "Settings",
    "Telemetry",
    "Timeouts",
    "Tools",
    "load",
]
