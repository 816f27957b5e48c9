"""The page of the paper in miniature."""
