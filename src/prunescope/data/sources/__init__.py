"""Readers: one module for each form in which image sets are handed around."""
