"""How scores become masks, and masks a sequence of levels."""
