"""The records, for people and programs: pages under `/ui/`, an API under `/api/v1/`, and exports."""

from aibridge.audit.opening import open_audit
from aibridge.audit.sources import Health, OfferedTool, ProviderHealth, ServerHealth, Sources

__all__ = ["Health", "OfferedTool", "ProviderHealth", "ServerHealth", "Sources", "open_audit"]
