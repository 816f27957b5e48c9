"""These modules hold the parts that several figures share: style, curves, maps, pages of pictures and movies."""
