# The types of the compiled module, whose source is module.cpp; tests/native/test_stub.py compares the two.
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.float32]

def instruction_sets() -> list[str]: ...

class Layer:
    def __init__(
        self,
        *,
        isa: str,
        threads: int,
        mask: NDArray[np.uint8],
        weight: NDArray[np.float32],
        blocks: tuple[int, bool] | None = None,
    ) -> None: ...
    def seconds(self, repeats: int) -> list[float]: ...
    def forward(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None: ...
    def backward(self, dy: NDArray[np.float32], dx: NDArray[np.float32], dw: NDArray[np.float32]) -> None: ...
    @property
    def kept(self) -> int: ...

class Blas:
    def __init__(
        self, *, sgemm: int, set_threads: int, narrow: int, packing: tuple[int, int, int]
    ) -> None: ...

class Optimizer:
    def __init__(
        self, *, rule: str, rate: float, momentum: float, betas: tuple[float, float], epsilon: float
    ) -> None: ...

class BatchNorm:
    def __init__(self, *, epsilon: float, decay: float) -> None: ...

class Network:
    def __init__(
        self,
        *,
        isa: str,
        threads: int,
        blas: Blas,
        optimizer: Optimizer,
        norm: BatchNorm | None,
        bf16: bool,
    ) -> None: ...
    def add(
        self,
        *,
        mask: NDArray[np.uint8],
        rows: NDArray[np.int32],
        columns: NDArray[np.int32],
        live_columns: int,
        bias_kept: NDArray[np.uint8],
        dense: bool,
        last: bool,
    ) -> None: ...
    def finish(self, mean: NDArray[np.float32], divisor: float) -> None: ...
    def read(self, layer: int, field: str, slot: int, whole: NDArray[np.float32]) -> None: ...
    def write(self, layer: int, field: str, slot: int, whole: NDArray[np.float32]) -> None: ...
    def step(self, pixels: Pixels, indices: NDArray[np.int64], labels: NDArray[np.int64]) -> float: ...
    def evaluate(
        self, pixels: Pixels, labels: NDArray[np.int64], right: NDArray[np.uint8]
    ) -> tuple[int, int, float]: ...
    @property
    def moments(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @steps.setter
    def steps(self, steps: int, /) -> None: ...
