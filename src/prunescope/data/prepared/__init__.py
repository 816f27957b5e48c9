"""This package writes a source once into a prepared folder, whose arrays are then mapped into memory."""
