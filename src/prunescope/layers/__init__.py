"""Every layer of a network: which kind it is, and what of it is measured against which null."""
