"""`moose-cli`: commands, what they print, and what they exit with.

Start-up is kept at a tenth of a second: command modules import click only, and load the rest when they run.
"""
