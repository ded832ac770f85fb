"""Verbs on runs, for any caller: async functions that take a connected client and return frozen records.

Nothing here prints, reads the environment, or needs the user's code: a run carries its plan, so its status, result and
control need only an address.
"""
