"""The user's folder: its settings and how its workflows are loaded."""
