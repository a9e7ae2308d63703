"""Checkpoints of a run, each complete or not there at all (written by orbax-checkpoint)."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
import zlib
from pathlib import Path
from typing import Any

import brainstate
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import CheckpointError, CheckpointWarning, MissingPackageError

__all__ = ["Checkpoints"]

States = dict[str, brainstate.State]
History = dict[str, list[np.ndarray]]


class Checkpoints:
    """The checkpoints in a folder, or none.

    Parameters
    ----------
    folder : path or None
        It is made if it is not there. What a killed process left half written is removed.
    every : int
        Iterations from one to the next.
    keep : int
        How many are kept.

    Attributes
    ----------
    last : int
        After how many iterations the last complete one was made; 0: there is none.
    ended : int
        How many iterations the run was asked for that ended with it, before them or not; 0: it has
        not ended.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, every: int, keep: int):
        self.folder: Path | None = None
        self.every = every
        self.last = 0
        self.ended = 0
        if folder is None:
            return
        ocp = self._ocp = _import_orbax()
        options = ocp.CheckpointManagerOptions(
            preservation_policy=ocp.checkpoint_managers.LatestN(keep),
            cleanup_tmp_directories=True,
            enable_async_checkpointing=False,
        )
        items = ("about", "arrays")
        try:
            self.folder = Path(folder).resolve()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(self.folder, options=options, item_names=items)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{folder} is no folder, and none can be made there ({_read_first_line(error)}): "
                "give another for checkpoints",
                got=folder,
            ) from error
        self.last = self._manager.latest_step() or 0

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *error: Any) -> None:
        if self.folder is not None:
            self._manager.close()

    def save(self, count: int, states: States, history: History, *, ended: int = 0) -> None:
        """Save what there is after so many iterations, if it is time.

        `ended` is how many iterations the run was asked for that ends now; 0: it goes on.

        Raises
        ------
        CheckpointError
            It cannot be written: the disk is full, the folder is gone.
        """
        if self.folder is None or not (ended or count % self.every == 0):
            return
        dtypes = {name: str(np.asarray(means).dtype) for name, means in history.items()}
        arrays = _collect_arrays(states, history)
        about = {"states": _describe(states), "history": dtypes, "ended": ended}
        about["checksum"] = _sum_arrays(arrays)
        args = self._ocp.args.Composite(
            about=self._ocp.args.JsonSave({**about, "own_checksum": _sum_text(about)}),
            arrays=self._ocp.args.StandardSave(arrays),
        )
        try:
            self._manager.save(count, args=args, force=True)
        except Exception as error:  # Of several libraries.
            raise CheckpointError(
                f"the checkpoint {self._find_folder(count)} cannot be written "
                f"({_read_first_line(error)})",
                got=self.folder,
            ) from error
        self.last, self.ended = count, ended

    def restore(self, states: States) -> History:
        """Give the states the values of the last checkpoint, and return its history.

        Where that one is damaged it is put aside, with a `CheckpointWarning`, and the one before is
        the last.

        Raises
        ------
        CheckpointError
            It is of other states, or none can be read; these stay as they are.
        """
        if not self.last:
            return {}
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                about, arrays = self._read(step, states)
            except CheckpointError:
                raise
            except Exception as error:  # What is damaged has errors of any kind.
                said = _read_first_line(error)
                damage = f"the checkpoint {self._find_folder(step)} cannot be read ({said})"
                if step == steps[-1]:
                    raise CheckpointError(
                        f"{damage}, nor any after it: delete all of {self.folder}, to begin anew",
                        got=self.folder,
                    ) from error
                before = max(other for other in steps if other < step)
                warnings.warn(f"{damage}: the run goes on from {before}", CheckpointWarning, 2)
                continue
            break
        self._put_aside([other for other in steps if other > step])
        self.last, self.ended = step, about.get("ended", 0)
        for name, state in states.items():
            leaves, tree = jax.tree.flatten(state.value)
            new_leaves = [_decode(arrays.get(f"{name}:{i}"), leaf) for i, leaf in enumerate(leaves)]
            state.restore_value(jax.tree.unflatten(tree, new_leaves))
        return {name: list(np.asarray(arrays[f"history:{name}"])) for name in about["history"]}

    def _read(self, step: int, states: States) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read what a checkpoint says of itself, and its arrays."""

        def read(**item: Any) -> Any:
            (name,) = item
            return self._manager.restore(step, args=args.Composite(**item))[name]

        args = self._ocp.args
        about = read(about=args.JsonRestore())
        # Those of earlier versions have no checksums.
        own = about.pop("own_checksum", None)
        if own not in (None, _sum_text(about)):
            raise ValueError("its description is not what was written")
        self._refuse_others(about["states"], _describe(states))
        empty = {name: [np.zeros((), d)] * step for name, d in about["history"].items()}
        example = jax.tree.map(_make_example, _collect_arrays(states, empty))
        arrays = read(arrays=args.StandardRestore(example))
        if about.get("checksum") not in (None, _sum_arrays(arrays)):
            raise ValueError("its numbers are not what was written")
        return about, arrays

    def _find_folder(self, step: int) -> Path:
        assert self.folder is not None  # Without one there is no checkpoint.
        return self.folder / str(step)

    def _put_aside(self, steps: list[int]) -> None:
        """Rename checkpoints that are damaged: others will be made in their place."""
        for step in steps:
            aside = self._find_folder(step).with_name(f"{step}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            self._find_folder(step).rename(aside)
        if steps:
            self._manager.reload()

    def _refuse_others(self, got: dict[str, Any], needs: dict[str, Any]) -> None:
        others = [name for name in {**needs, **got} if got.get(name) != needs.get(name)]
        if others:
            name, more = others[0], f", and {len(others) - 1} more" if len(others) > 1 else ""
            there, here = got.get(name, "not in it"), needs.get(name, "not there")
            raise CheckpointError(
                f"the checkpoint in {self.folder} is of another model, optimizer or run: "
                f"{name} is {there}, and here {here}{more}",
                got=got,
                needs=needs,
            )


def _read_first_line(error: Exception) -> str:
    """Give the first line of what an error says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _import_orbax() -> Any:
    try:
        import orbax.checkpoint as ocp
    except ImportError as error:
        raise MissingPackageError(
            "checkpoints need orbax-checkpoint: pip install 'orbax-checkpoint>=0.12'"
        ) from error
    return ocp


def _describe(states: States) -> dict[str, Any]:
    """Describe what is the same of the states that a checkpoint is for, as JSON has it."""
    descriptions = {}
    for name, state in states.items():
        leaves, tree = jax.tree.flatten(state.value)
        # Of what has no name of its own, Python writes the address.
        structure = re.sub(r" at 0x[0-9a-f]+", "", str(tree))
        descriptions[name] = [structure, *([list(leaf.shape), str(leaf.dtype)] for leaf in leaves)]
    return descriptions


def _collect_arrays(states: States, history: History) -> dict[str, Any]:
    """Collect all numbers, but for arrays without any, which have no place in a checkpoint."""
    arrays: dict[str, Any] = {}
    for name, state in states.items():
        for i, leaf in enumerate(jax.tree.leaves(state.value)):
            if leaf.size:
                arrays[f"{name}:{i}"] = _encode(leaf)
    return arrays | {f"history:{name}": np.asarray(means) for name, means in history.items()}


def _sum_text(about: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())


def _sum_arrays(arrays: dict[str, Any]) -> int | None:
    """Compute a checksum of all numbers; None where other processes hold some."""
    if not all(getattr(array, "is_fully_addressable", True) for array in arrays.values()):
        return None
    total = 0
    for name in sorted(arrays):
        total = zlib.crc32(np.asarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), total))
    return total


def _make_example(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=getattr(array, "sharding", None))


def _encode(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _decode(array: Any, leaf: jax.Array) -> jax.Array:
    """Put an array of a checkpoint in the place of a leaf."""
    if array is None:
        return leaf
    return (
        jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array
    )


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
