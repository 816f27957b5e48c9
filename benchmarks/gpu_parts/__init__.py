"""The parts of benchmarks/gpu.py: check, bench, profile, sequence and seeds."""
