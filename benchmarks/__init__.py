"""How fast Moose is, measured against the same graphs written by hand with Temporal's SDK: `python -m benchmarks`."""
