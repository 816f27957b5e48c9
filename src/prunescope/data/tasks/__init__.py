"""Tasks: which classes the labels of a source become."""
