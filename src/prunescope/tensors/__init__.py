"""Named tensors of files, torch modules and nested containers, read one at a time, and the masks among them.

Nothing in a file is executed. The layouts that are read are listed in docs/masks.md.
"""

from prunescope.tensors.mask_files import load_masks
from prunescope.tensors.named_mask import NamedMask, ReadingOptions, Zeros
from prunescope.tensors.named_masks import named_masks
from prunescope.tensors.named_tensor import NamedTensor, Order, TensorSource
from prunescope.tensors.printable import shown

__all__ = [
    "NamedMask",
    "NamedTensor",
    "Order",
    "ReadingOptions",
    "TensorSource",
    "Zeros",
    "load_masks",
    "named_masks",
    "shown",
]
