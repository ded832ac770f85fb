"""The compiled graph of a workflow: pure data and functions."""
