"""Checkpoints of a run, written by orbax-checkpoint and complete or not there at all."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import brainstate
import brainunit as u
import jax
import numpy as np

from .errors import CheckpointError, MissingPackageError, StructureError

__all__ = ["Checkpoints"]

States = dict[str, brainstate.State]
History = dict[str, list[np.ndarray]]


class Checkpoints:
    """The checkpoints in a folder, or none.

    Parameters
    ----------
    folder : path or None
    every : int
        Iterations from one to the next.
    keep : int
        How many are kept.

    Attributes
    ----------
    last : int or None
        After how many iterations the last complete one was made.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, every: int, keep: int):
        self.folder = None if folder is None else Path(folder).resolve()
        self.every = every
        self.last: int | None = None
        if folder is None:
            return
        if importlib.util.find_spec("orbax.checkpoint") is None:
            raise MissingPackageError(
                "checkpoints need orbax-checkpoint: install brainscale[train]"
            )
        import orbax.checkpoint as ocp

        self.ocp = ocp
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self.manager = ocp.CheckpointManager(
            self.folder, options=options, item_names=("arrays", "about")
        )
        self.last = self.manager.latest_step()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *error: Any) -> None:
        if self.folder is not None:
            self.manager.close()

    def refuse_unknown(self, written: Iterable[brainstate.State], states: States) -> None:
        """Refuse to go on where a checkpoint would lack a state that a run changes."""

    def save(self, done: int, states: States, history: History, *, is_last: bool) -> None:
        """Save what there is after so many iterations, if it is time."""

    def restore(self, states: States) -> History:
        """Give the states the values of the last checkpoint, if there is one."""
        return {}
