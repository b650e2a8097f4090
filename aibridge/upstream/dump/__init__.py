"""What went to a provider and what came back, written to files for whoever looks for an error: one file a round."""

from aibridge.upstream.dump.dumped import DumpedUpstreams
from aibridge.upstream.dump.opening import Dumps

__all__ = ["DumpedUpstreams", "Dumps"]
