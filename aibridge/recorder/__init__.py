"""What is kept of every interception: taken at once, written in batches, durable before anything goes upstream."""

from aibridge.recorder.opening import open_recorder
from aibridge.recorder.recorder import Recorder

__all__ = ["Recorder", "open_recorder"]
