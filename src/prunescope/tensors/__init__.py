"""Named tensors of files, torch modules and nested containers, read one at a time, and the masks among them.

Nothing in a file is executed. The layouts that are read are listed in docs/masks.md.
"""

from prunescope.tensors.mask_files import load_masks, shown
from prunescope.tensors.named_masks import NamedMask, ReadingOptions, named_masks

__all__ = ["NamedMask", "ReadingOptions", "load_masks", "named_masks", "shown"]
