"""What a worker tells about its work while it goes on: metrics for Prometheus, and spans for OpenTelemetry.

The engine says what it sees to an `Observer`; nothing here knows Temporal. Neither library is imported by a worker
that is asked for neither.
"""
