"""The Responses dialect: https://platform.openai.com/docs/api-reference/responses"""

from aibridge.dialects.responses.exchange import Responses

__all__ = ["Responses"]
