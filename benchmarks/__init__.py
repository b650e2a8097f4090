"""What the gateway costs, measured beside a bare relay on the same stack, in one run: `python -m benchmarks`."""
