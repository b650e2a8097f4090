"""Injected tools: MCP servers kept connected, their tools offered to models, their calls answered within a deadline."""
