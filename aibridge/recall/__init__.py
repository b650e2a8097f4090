"""Hidden turns: rounds that the client never saw, kept and found again for its next request."""

from aibridge.recall.opening import open_recall

__all__ = ["open_recall"]
