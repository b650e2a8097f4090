"""The Anthropic messages dialect: https://docs.anthropic.com/en/api/messages"""

from aibridge.dialects.messages.exchange import Messages

__all__ = ["Messages"]
