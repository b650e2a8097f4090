"""What the gateway tells of itself: logs, metrics and spans, all as wrappers of ports.

`observer.Telemetry` is what the composition root needs; no other room imports this one.
"""
