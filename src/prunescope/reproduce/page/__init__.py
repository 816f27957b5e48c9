"""Write the page of the paper in miniature."""
