"""These modules draw the figures, the table and the videos of the paper."""
