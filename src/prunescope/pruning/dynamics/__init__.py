"""Dynamics of pruning methods, which act inside a level: they shrink or move masks, or end the level early."""
