"""The HTTP server: records come in, workflows are started and looked at, health and metrics are told."""
