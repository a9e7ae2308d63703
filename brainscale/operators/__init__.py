"""Trainable operations, one file each (SPEC.md, chapter 9)."""

from .base import ETraceOp
from .convolution import ConvOp, Padding
from .dense import MatMulOp
from .element_wise import ElemWiseOp
from .embedding import EmbeddingOp
from .grouped import GroupedMatMulOp
from .lora import LoraOp
from .sparse import SparseMatrix, SpMatMulOp

__all__ = [
    "ConvOp",
    "ETraceOp",
    "ElemWiseOp",
    "EmbeddingOp",
    "GroupedMatMulOp",
    "LoraOp",
    "MatMulOp",
    "Padding",
    "SpMatMulOp",
    "SparseMatrix",
]
