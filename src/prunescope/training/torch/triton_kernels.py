"""Triton kernels of the parts of a step that are not products of matrices; see fused_step for the equations.

Each makes one pass over its arrays. A sum over the batch is written as one partial sum for each tile of rows, and the
kernel that needs it adds them up in a fixed order: results are the same to the bit each time. NaN stays NaN until the
loss, where it is found. In every kernel, BR and BC are the rows and columns of a tile. Layers have their widths rounded
up to a multiple of BC (compact.MULTIPLE), so that no tile ends early; batches end anywhere.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _operand(x, TF32: tl.constexpr):
    """Round to the 10 bits of TF32, to nearest, ties to even; the matrix units would cut the rest off."""
    if TF32:
        bits = x.to(tl.int32, bitcast=True)
        rounded = (bits + 0xFFF + ((bits >> 13) & 1)) & -8192
        x = tl.where(x == x, rounded.to(tl.float32, bitcast=True), x)
    return x


@triton.jit
def _store_with_moments(
    x, row, column, inside, count, output, stride, means, squares, width, tile, TF32: tl.constexpr
):
    """Store a tile, and the mean and the sum of squared deviations of each of its columns."""
    x = _operand(tl.where(inside[:, None], x, 0.0), TF32).to(output.dtype.element_ty)
    tl.store(output + row[:, None] * stride + column[None, :], x, mask=inside[:, None])
    x = x.to(tl.float32)
    mean = tl.sum(x, 0) / count
    deviation = tl.where(inside[:, None], x - mean[None, :], 0.0)
    tl.store(means + tile * width + column, mean)
    tl.store(squares + tile * width + column, tl.sum(deviation * deviation, 0))


@triton.jit
def _whole_sums(parts, column, inside, tiles, width, PARTS: tl.constexpr, BC: tl.constexpr):
    """Return the sums of partial sums [tiles, width] in some columns."""
    sums = tl.zeros([BC], tl.float32)
    for start in range(0, tiles, PARTS):
        tile = start + tl.arange(0, PARTS)
        within = (tile < tiles)[:, None] & inside[None, :]
        sums += tl.sum(tl.load(parts + tile[:, None] * width + column[None, :], mask=within, other=0.0), 0)
    return sums


@triton.jit
def gather(
    images, indices, position, columns, mean, output, means, squares, counts, batch, pixels, width,
    BYTES: tl.constexpr, ALL: tl.constexpr, TF32: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Gather the batch at ``position`` as network inputs; begin the step by counting it."""
    tile = tl.program_id(0)
    row = tile * BR + tl.arange(0, BR)
    column = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = row < batch
    index = tl.load(indices + tl.load(position) * batch + row, mask=inside, other=0)
    if ALL:
        x = tl.load(images + index[:, None] * pixels + column[None, :], mask=inside[:, None], other=0)
        x = x.to(tl.float32)
        if BYTES:
            x = (x - tl.load(mean + column)[None, :]) * (1 / 255)
    else:
        pixel = tl.load(columns + column)
        real = inside[:, None] & (pixel >= 0)[None, :]
        x = tl.load(images + index[:, None] * pixels + pixel[None, :], mask=real, other=0).to(tl.float32)
        if BYTES:
            x = (x - tl.load(mean + column)[None, :]) * (1 / 255)
        x = tl.where(real, x, 0.0)
    count = tl.minimum(batch - tile * BR, BR).to(tl.float32)
    _store_with_moments(x, row, column, inside, count, output, width, means, squares, width, tile, TF32)
    if (tile == 0) & (tl.program_id(1) == 0):
        tl.store(counts, tl.load(counts) + 1)


@triton.jit
def normalise(
    means, squares, gamma, live, average, variances, shift, scale, inverse, centre, floor,
    counts, position, batch, tiles, varying, epsilon, flat, share,
    PIXELS: tl.constexpr, TF32: tl.constexpr, PARTS: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Merge the moments of the tiles into those of the batch, and derive all that depends on them alone."""
    column = tl.program_id(0) * BC + tl.arange(0, BC)
    changes = column < varying
    mean = tl.zeros([BC], tl.float32)
    for start in range(0, tiles, PARTS):
        tile = start + tl.arange(0, PARTS)
        count = tl.minimum(tl.maximum(batch - tile * BR, 0), BR).to(tl.float32)
        inside = (tile < tiles)[:, None] & changes[None, :]
        of_tiles = tl.load(means + tile[:, None] * varying + column[None, :], mask=inside, other=0.0)
        mean += tl.sum(count[:, None] * of_tiles, 0)
    mean = mean / batch
    total = tl.zeros([BC], tl.float32)
    for start in range(0, tiles, PARTS):
        tile = start + tl.arange(0, PARTS)
        count = tl.minimum(tl.maximum(batch - tile * BR, 0), BR).to(tl.float32)
        inside = (tile < tiles)[:, None] & changes[None, :]
        at = tile[:, None] * varying + column[None, :]
        apart = tl.load(means + at, mask=inside, other=0.0) - mean[None, :]
        apart = tl.load(squares + at, mask=inside, other=0.0) + count[:, None] * apart * apart
        total += tl.sum(apart, 0)
    variance = total / batch
    inverted = tl.load(live + column) / tl.sqrt(variance + epsilon)
    inverted = tl.where(variance <= flat * mean * mean, 0.0, inverted)
    scaled = tl.load(gamma + column) * inverted
    tl.store(inverse + column, inverted)
    tl.store(scale + column, scaled)
    tl.store(centre + column, mean)
    shifted = tl.load(shift + column)
    part = tl.where(tl.load(counts) == 1, 1.0, share)
    old = tl.load(average + column)
    new = old + (mean + shifted - old) * part
    tl.store(average + column, new, mask=changes)
    old = tl.load(variances + column)
    tl.store(variances + column, old + (variance - old) * part, mask=changes)
    if PIXELS:
        if tl.program_id(0) == 0:
            tl.store(position, tl.load(position) + 1)
    else:
        low = _operand(0.0 - shifted, TF32).to(floor.dtype.element_ty)
        tl.store(floor + column, low)
        tl.store(shift + column, new, mask=changes)


@triton.jit
def fold(
    weight, bias, scale, beta, centre, folded, total, width, varying,
    TF32: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Fold the norm into the weights and the bias of some rows.

    The rounded weights are those that the products have: what they make of the mean is taken off again exactly.
    """
    row = tl.program_id(0) * BR + tl.arange(0, BR)
    sums = tl.zeros([BR, BC], tl.float32)
    for start in range(0, width, BC):
        column = start + tl.arange(0, BC)
        inside = column < width
        numbers = tl.load(weight + row[:, None] * width + column[None, :], mask=inside[None, :], other=0.0)
        sums += numbers * tl.load(beta + column, mask=inside, other=0.0)[None, :]
        scaled = numbers * tl.load(scale + column, mask=inside, other=0.0)[None, :]
        scaled = _operand(scaled, TF32).to(folded.dtype.element_ty)
        place = folded + row[:, None] * varying + column[None, :]
        tl.store(place, scaled, mask=(column < varying)[None, :])
        sums -= scaled.to(tl.float32) * tl.load(centre + column, mask=inside, other=0.0)[None, :]
    tl.store(total + row, tl.load(bias + row) + tl.sum(sums, 1))


@triton.jit
def activate(
    products, total, shift, output, means, squares, batch, width,
    TF32: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Add the bias, apply the ReLU, subtract the shift."""
    tile = tl.program_id(0)
    row = tile * BR + tl.arange(0, BR)
    column = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = row < batch
    x = tl.load(products + row[:, None] * width + column[None, :], mask=inside[:, None], other=0.0)
    x = x + tl.load(total + column)[None, :]
    x = tl.where(x <= 0, 0.0, x) - tl.load(shift + column)[None, :]
    count = tl.minimum(batch - tile * BR, BR).to(tl.float32)
    _store_with_moments(x, row, column, inside, count, output, width, means, squares, width, tile, TF32)


@triton.jit
def loss(
    products, total, labels, position, gradient, sums, losses, batch, classes, width,
    TF32: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Compute the cross-entropy of some rows and its gradient; the position is one ahead already."""
    tile = tl.program_id(0)
    row = tile * BR + tl.arange(0, BR)
    column = tl.arange(0, BC)
    inside = row < batch
    real = inside[:, None] & (column < classes)[None, :]
    at = row[:, None] * width + column[None, :]
    x = tl.load(products + at, mask=real, other=0.0)
    x = x + tl.load(total + column, mask=column < classes, other=0.0)[None, :]
    x = tl.where((column < classes)[None, :], x, -float("inf"))
    label = tl.load(labels + (tl.load(position) - 1) * batch + row, mask=inside, other=0)
    right = column[None, :] == label[:, None]
    largest = tl.max(x, 1)
    powers = tl.exp(x - largest[:, None])
    whole = tl.sum(powers, 1)
    loss = largest + tl.log(whole) - tl.sum(tl.where(right, x, 0.0), 1)
    tl.store(losses + tile, tl.sum(tl.where(inside, loss, 0.0), 0))
    slope = (powers / whole[:, None] - tl.where(right, 1.0, 0.0)) / batch
    slope = _operand(tl.where(real, slope, 0.0), TF32).to(gradient.dtype.element_ty)
    tl.store(gradient + at, slope, mask=inside[:, None] & (column < width)[None, :])
    tl.store(sums + tile * width + column, tl.sum(slope.to(tl.float32), 0), mask=column < width)


@triton.jit
def score(logits, labels, parts, batch, classes, stride, BR: tl.constexpr, BC: tl.constexpr):
    """Count the rows whose right class is the first, or among the first five, and sum their losses."""
    tile = tl.program_id(0)
    row = tile * BR + tl.arange(0, BR)
    column = tl.arange(0, BC)
    inside = row < batch
    real = inside[:, None] & (column < classes)[None, :]
    x = tl.load(logits + row[:, None].to(tl.int64) * stride + column[None, :], mask=real, other=0.0)
    x = tl.where((column < classes)[None, :], x, -float("inf"))
    label = tl.load(labels + row, mask=inside, other=0)
    right = column[None, :] == label[:, None]
    own = tl.sum(tl.where(right, x, 0.0), 1)
    ahead = (x > own[:, None]) | ((x == own[:, None]) & (column[None, :] < label[:, None]))
    rank = tl.sum((ahead & real).to(tl.int32), 1)
    rank = tl.where(own == own, rank, classes)
    largest = tl.max(x, 1)
    loss = largest + tl.log(tl.sum(tl.exp(x - largest[:, None]), 1)) - own
    tl.store(parts + 3 * tile, tl.sum(((rank < 1) & inside).to(tl.float32), 0))
    tl.store(parts + 3 * tile + 1, tl.sum(((rank < 5) & inside).to(tl.float32), 0))
    tl.store(parts + 3 * tile + 2, tl.sum(tl.where(inside, loss, 0.0), 0))


@triton.jit
def _descend(
    parameter, slope, at, inside, first, second, corrections, rate, momentum,
    RULE: tl.constexpr,
):  # fmt: skip
    """Move parameters along their gradients by the rule of the optimiser: 0 SGD, 1 momentum, 2 Adam."""
    old = tl.load(parameter + at, mask=inside, other=0.0)
    if RULE == 0:
        new = old - rate * slope
    elif RULE == 1:
        moment = tl.load(first + at, mask=inside, other=0.0) * momentum + slope
        tl.store(first + at, moment, mask=inside)
        new = old - rate * moment
    else:
        moment = tl.load(first + at, mask=inside, other=0.0)
        moment = moment + (slope - moment) * (1 - 0.9)
        tl.store(first + at, moment, mask=inside)
        square = tl.load(second + at, mask=inside, other=0.0) * 0.999 + slope * slope * (1 - 0.999)
        tl.store(second + at, square, mask=inside)
        divisor = tl.sqrt(square * tl.load(corrections)) + tl.load(corrections + 1)
        new = old - moment / divisor
    tl.store(parameter + at, new, mask=inside)


@triton.jit
def update(
    gradient, sums, weight, bias, mask, kept, gamma, beta, inverse, centre, by_gamma, by_beta,
    weight_first, weight_second, bias_first, bias_second, corrections,
    tiles, height, width, varying, rate, momentum,
    MASKED: tl.constexpr, RULE: tl.constexpr, PARTS: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Update a tile of weights, and sum what the gradients of γ and β need of it."""
    tile = tl.program_id(0)
    row = tile * BR + tl.arange(0, BR)
    column = tl.program_id(1) * BC + tl.arange(0, BC)
    by_bias = _whole_sums(sums, row, row < height, tiles, height, PARTS, BR)
    at = row[:, None] * width + column[None, :]
    numbers = tl.load(weight + at)
    place = gradient + row[:, None] * varying + column[None, :]
    raw = tl.load(place, mask=(column < varying)[None, :] & (row >= 0)[:, None], other=0.0)
    raw = (raw - tl.load(centre + column)[None, :] * by_bias[:, None]) * tl.load(inverse + column)[None, :]
    tl.store(by_gamma + tile * width + column, tl.sum(numbers * raw, 0))
    tl.store(by_beta + tile * width + column, tl.sum(numbers * by_bias[:, None], 0))
    slope = raw * tl.load(gamma + column)[None, :] + by_bias[:, None] * tl.load(beta + column)[None, :]
    if MASKED:
        slope = tl.where(tl.load(mask + at) != 0, slope, 0.0)
    everywhere = (row >= 0)[:, None] & (column >= 0)[None, :]
    _descend(weight, slope, at, everywhere, weight_first, weight_second, corrections, rate, momentum, RULE)
    if tl.program_id(1) == 0:
        by_kept = by_bias * tl.load(kept + row)
        _descend(bias, by_kept, row, row >= 0, bias_first, bias_second, corrections, rate, momentum, RULE)


@triton.jit
def update_norm(
    by_gamma, by_beta, gamma, beta, gamma_first, gamma_second, beta_first, beta_second, corrections,
    losses, counts, tiles, loss_tiles, width, batch, rate, momentum,
    RULE: tl.constexpr, PARTS: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Update γ and β of the first layer, and count the loss: the end of a step."""
    column = tl.program_id(0) * BC + tl.arange(0, BC)
    first = _whole_sums(by_gamma, column, column < width, tiles, width, PARTS, BC)
    second = _whole_sums(by_beta, column, column < width, tiles, width, PARTS, BC)
    everywhere = column >= 0
    _descend(gamma, first, column, everywhere, gamma_first, gamma_second, corrections, rate, momentum, RULE)
    _descend(beta, second, column, everywhere, beta_first, beta_second, corrections, rate, momentum, RULE)
    if tl.program_id(0) == 0:
        loss = 0.0
        for start in range(0, loss_tiles, BC):
            tile = start + tl.arange(0, BC)
            loss += tl.sum(tl.load(losses + tile, mask=tile < loss_tiles, other=0.0), 0)
        tl.store(counts + 1, tl.load(counts + 1) + (loss / batch).to(tl.float64))
        tl.store(counts + 2, tl.load(counts + 2) + 1)


@triton.jit
def back(
    products, inputs, by_gamma, by_beta, scale, inverse, centre, floor, gradient, sums,
    gamma, beta, gamma_first, gamma_second, beta_first, beta_second, corrections,
    tiles, width, varying, batch, rate, momentum,
    RULE: tl.constexpr, TF32: tl.constexpr, PARTS: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Carry the gradient back through norm and ReLU; the first row of programs updates γ and β."""
    tile = tl.program_id(0)
    row = tile * BR + tl.arange(0, BR)
    column = tl.program_id(1) * BC + tl.arange(0, BC)
    first = _whole_sums(by_gamma, column, column < width, tiles, width, PARTS, BC)
    second = _whole_sums(by_beta, column, column < width, tiles, width, PARTS, BC)
    changes = column < varying
    inside = (row < batch)[:, None] & changes[None, :]
    at = row[:, None] * varying + column[None, :]
    x = tl.load(inputs + at, mask=inside, other=0.0).to(tl.float32)
    open_ = x > tl.load(floor + column, mask=changes, other=0.0).to(tl.float32)[None, :]
    x = (x - tl.load(centre + column)[None, :]) * tl.load(inverse + column)[None, :]
    part_of = tl.load(scale + column) / batch
    slope = tl.load(products + at, mask=inside, other=0.0)
    slope = slope - part_of[None, :] * (second[None, :] + x * first[None, :])
    slope = _operand(tl.where(open_ & inside, slope, 0.0), TF32).to(gradient.dtype.element_ty)
    tl.store(gradient + at, slope, mask=inside)
    tl.store(sums + tile * varying + column, tl.sum(slope.to(tl.float32), 0), mask=changes)
    if tile == 0:
        everywhere = column >= 0
        _descend(
            gamma, first, column, everywhere, gamma_first, gamma_second, corrections, rate, momentum, RULE
        )
        _descend(beta, second, column, everywhere, beta_first, beta_second, corrections, rate, momentum, RULE)
