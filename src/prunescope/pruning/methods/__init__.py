"""Pruning methods, one a file: each has a function ``procedure(setting)`` and a first line that says what it is."""
