"""Runs train one experiment with one seed: their directory, driver, measurements and estimated cost."""
