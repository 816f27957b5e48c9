"""The constants of a training step, which all engines share; see docs/science.md, "Training"."""

AVERAGE_DECAY = 0.99
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
FLAT = 1e-12  # Where a batch's variance is less than so much of its squared mean, it is rounding, and taken for 0.
