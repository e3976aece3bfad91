"""Type aliases for signatures."""

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
ComplexArray: TypeAlias = npt.NDArray[np.complex128]
IntArray: TypeAlias = npt.NDArray[np.intp]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
AnyArray: TypeAlias = npt.NDArray[Any]

PathLike: TypeAlias = str | os.PathLike[str]
Picks: TypeAlias = str | Sequence[str] | Sequence[int] | AnyArray | slice | None
RandomState: TypeAlias = int | np.random.RandomState | None
Span: TypeAlias = tuple[int, int]
