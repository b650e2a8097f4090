"""aibridge: a gateway between AI clients and their providers that injects MCP tools and keeps an audit trail."""

__version__ = "0.1.0"
