"""What figures are put together from."""
