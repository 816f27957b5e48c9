"""One run: its directory, what is measured at a level's end, what drives it, what it will cost."""
