"""Typed workflows in plain Python that run durably on Temporal."""
