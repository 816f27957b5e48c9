"""Masked dense training on any torch device."""
