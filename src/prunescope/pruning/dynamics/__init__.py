"""What pruning methods do inside a level: masks that shrink or move, and early ends."""
