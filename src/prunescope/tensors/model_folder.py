"""Models in several files: a folder, or the index in it that says which file holds which tensor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from prunescope.errors import InputError
from prunescope.tensors.dotted_names import natural
from prunescope.tensors.named_tensor import NamedTensor, TensorSource
from prunescope.tensors.printable import shortened, shown
from prunescope.tensors.untrusted_json import read_object

INDEX = ".index.json"
# An index names the tensors of a model; one of more bytes is none.
LARGEST_INDEX = 1 << 25
MOST_SHARDS = 1000
SHARDS = (".safetensors", ".bin", ".pt", ".pth", ".msgpack")
# The files of a folder, of which the first that is there is read: what libraries write first when they write several.
WHOLE = (
    "model.safetensors.index.json",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "adapter_model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "flax_model.msgpack",
)

Opener = Callable[[Path], AbstractContextManager[TensorSource]]


def file_of_folder(folder: Path, suffixes: tuple[str, ...]) -> Path:
    """Return the file of a folder that holds its model: by its name, or the only one with one of these suffixes.

    Raises InputError where there is none, and where there are several.
    """
    for name in WHOLE:
        if (folder / name).exists():
            return folder / name
    found = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(
            f"{folder}: is a directory, not a file, and holds no model such as model.safetensors; it is no run directory either"
        )
    names = ", ".join(shortened([shown(path.name) for path in found], others="more"))
    raise InputError(f"{folder}: several files that may be its model ({names}); give one of them")


@contextmanager
def indexed_source(index: Path, opener: Opener) -> Generator[TensorSource]:
    """Open the tensors that an index names, in the order of layers, from the files beside it.

    Raises InputError, in one line, for an index that is damaged, for a file that is missing or that lies elsewhere, and
    for a tensor that its file lacks.
    """
    places = _places(index)
    tensors: list[NamedTensor] = []
    with ExitStack() as opened:
        for shard in sorted(set(places.values()), key=natural):
            if not (index.parent / shard).exists():
                raise InputError(f"{index}: {shown(shard)}, which it names, is missing beside it")
            source = opened.enter_context(opener(index.parent / shard))
            wanted = {name for name, place in places.items() if place == shard}
            found = [tensor for tensor in source.tensors if tensor.name in wanted]
            if lacking := sorted(wanted - {tensor.name for tensor in found}, key=natural):
                raise InputError(
                    f"{index}: {shown(shard)} has no {shown(lacking[0])}, which the index says is there"
                )
            tensors += found
        yield TensorSource(str(index), sorted(tensors, key=lambda tensor: natural(tensor.name)))


def _places(index: Path) -> dict[str, str]:
    """Return the file of each tensor, by their names."""
    found = read_object(index, LARGEST_INDEX).get("weight_map")
    if not isinstance(found, Mapping) or not all(isinstance(shard, str) for shard in found.values()):
        raise InputError(f"{index}: damaged, it has no weight_map of names to files")
    places = {str(name): str(shard) for name, shard in found.items()}
    shards = set(places.values())
    for shard in shards:
        if Path(shard).suffix not in SHARDS or any(one in shard for one in ("/", "\\", "\0", ":")):
            raise InputError(f"{index}: refused, it names {shown(shard)}, which is no file beside it")
    if not shards or len(shards) > MOST_SHARDS:
        raise InputError(f"{index}: damaged, it names {len(shards)} files")
    return places
