"""Measure training steps on a device: plain PyTorch, compiled, and the torch engine, in every precision."""
