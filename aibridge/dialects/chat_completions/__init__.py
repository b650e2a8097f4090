"""The chat-completions dialect: https://platform.openai.com/docs/api-reference/chat"""

from aibridge.dialects.chat_completions.exchange import ChatCompletions

__all__ = ["ChatCompletions"]
