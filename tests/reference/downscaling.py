"""Means of the blocks of an array, block by block."""

import numpy as np


def slow_block_means(array, side):
    """The mean of each block, at most ``side`` rows and columns of them."""
    rows, columns = (min(size, side) for size in array.shape)
    means = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            block = array[
                row * array.shape[0] // rows : (row + 1) * array.shape[0] // rows,
                column * array.shape[1] // columns : (column + 1) * array.shape[1] // columns,
            ]
            means[row, column] = block.mean()
    return means
