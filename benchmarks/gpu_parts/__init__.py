"""The parts of benchmarks/gpu.py: check, bench, profile and sequence."""
