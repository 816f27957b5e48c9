"""Columns of levels.parquet beside those of runs/columns.py: one file each, with ``COLUMNS``; docs/extending.md adds one."""
