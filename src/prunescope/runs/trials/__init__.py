"""Trials measure the pieces of which a run's time is made: steps, evaluations, the end of a level, a method's own work."""
