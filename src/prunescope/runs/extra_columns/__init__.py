"""Extra columns extend levels.parquet: each file here defines ``COLUMNS``; docs/extending.md shows how to add one."""
