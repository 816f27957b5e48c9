"""Runs of a sweep as tasks of a Ray cluster."""
