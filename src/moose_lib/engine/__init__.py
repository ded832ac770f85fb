"""How Temporal executes plans: one interpreter, one activity, and the processes around users' handlers.

Nothing outside this package and `operations` knows Temporal.
"""
