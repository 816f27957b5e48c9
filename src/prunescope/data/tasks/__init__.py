"""This package computes which labels a task gives to the classes of a source."""
