"""This package reads image sets, with one module for each form in which they are published."""
