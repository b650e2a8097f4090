"""Several processes on one socket: a parent that serves nothing itself, and workers that each are a whole gateway."""
