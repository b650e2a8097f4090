"""The names of spans and of their attributes: public, and each one documented."""

from __future__ import annotations

from enum import StrEnum


class Name(StrEnum):
    """The spans."""

    INTERCEPT = "Intercept"
    CREATE = "Intercept.CreateInterceptor"
    PROCESS = "Intercept.ProcessRequest"
    UPSTREAM = "Intercept.ProcessRequest.Upstream"
    TOOL_CALL = "Intercept.ProcessRequest.ToolCall"
    RECORD_START = "Intercept.RecordInterception"
    RECORD_END = "Intercept.RecordInterceptionEnded"
    RECORD_PROMPT = "Intercept.RecordPromptUsage"
    RECORD_TOKENS = "Intercept.RecordTokenUsage"
    RECORD_TOOL = "Intercept.RecordToolUsage"
    RECORD_THOUGHT = "Intercept.RecordModelThought"
    PASSTHROUGH = "Passthrough"


class Attribute(StrEnum):
    """What spans say: names of ours first, then those of OpenTelemetry's conventions."""

    REQUEST_PATH = "request_path"
    INTERCEPTION_ID = "interception_id"
    USER_ID = "user_id"
    PROVIDER = "provider"
    MODEL = "model"
    STREAMING = "streaming"
    MCP_TOOL_NAME = "mcp_tool_name"
    MCP_SERVER_NAME = "mcp_server_name"
    MCP_SERVER_URL = "mcp_server_url"
    MCP_INPUT = "mcp_input"
    ERROR_TYPE = "error.type"
    HTTP_STATUS = "http.response.status_code"
    MCP_METHOD = "mcp.method.name"
    OPERATION = "gen_ai.operation.name"
    GEN_AI_PROVIDER = "gen_ai.provider.name"
    REQUEST_MODEL = "gen_ai.request.model"
    REQUEST_STREAM = "gen_ai.request.stream"
    CONVERSATION = "gen_ai.conversation.id"
    RESPONSE_ID = "gen_ai.response.id"
    RESPONSE_MODEL = "gen_ai.response.model"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
    CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
    REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
    TOOL_NAME = "gen_ai.tool.name"
    TOOL_CALL_ID = "gen_ai.tool.call.id"
