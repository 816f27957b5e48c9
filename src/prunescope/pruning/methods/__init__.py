"""Pruning methods, one per file, each with a function ``procedure(setting)`` and its ``TRAITS``.

The first line of a file's docstring says what the method is; ``prunescope methods`` prints it.
"""
