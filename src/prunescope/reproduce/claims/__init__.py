"""State what the paper claims, and the rules by which runs decide it."""
