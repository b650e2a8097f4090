"""Where the settings come from, so that they can be read again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from aibridge.config.loading import DEFAULT_FILE, load
from aibridge.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """A file, this process's environment, and what the command line said, which wins over both."""

    path: Path | None = None
    host: str | None = None
    port: int | None = None
    workers: int | None = None

    @property
    def file(self) -> Path:
        """The file to watch; it need not be there."""
        return self.path or DEFAULT_FILE

    def read(self) -> Settings:
        """The settings as they are now. Raises ConfigError."""
        settings = load(self.path, os.environ).listening(self.host, self.port, self.workers)
        settings.check_served()
        return settings
