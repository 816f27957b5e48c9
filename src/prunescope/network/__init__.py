"""The forward equations in torch: of training and evaluation, differentiable any number of times, and their precision."""
