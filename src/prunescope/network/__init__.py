"""This package computes the network's forward equations in torch, for training and for evaluation.

``forward`` has gradients in closed form, ``differentiable`` uses plain operations, and ``precision`` has the matrix
products.
"""
