"""Trainable operations, one file each (SPEC.md, chapter 9)."""

from .base import ETraceOp
from .dense import MatMulOp
from .element_wise import ElemWiseOp

__all__ = ["ETraceOp", "ElemWiseOp", "MatMulOp"]
