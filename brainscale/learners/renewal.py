"""A model's states begun anew, in the State objects that there were."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import brainstate

from ..engine.inputs import shapes_of
from ..errors import BrainscaleError, ParameterError, ShapeError, StructureError

__all__ = ["initialise", "kept_if_refused", "renew"]


@contextlib.contextmanager
def kept_if_refused(*things: Any) -> Iterator[None]:
    """Have all be as it was if an error is raised meanwhile: what is refused changes nothing.

    Parameters
    ----------
    *things : objects
        Whose attributes are kept; of modules, with all modules and states in them. Random numbers
        are, too.
    """
    holders: dict[int, Any] = {id(brainstate.random.DEFAULT): brainstate.random.DEFAULT}
    for thing in things:
        holders[id(thing)] = thing
        if isinstance(thing, brainstate.graph.Node):
            holders |= {id(x): x for x in brainstate.graph.nodes(thing).values()}
            holders |= {id(x): x for x in brainstate.graph.states(thing).values()}
    for holder in list(holders.values()):
        # Such as the history of a state.
        inner = [x for x in vars(holder).values() if isinstance(x, brainstate.State)]
        holders |= {id(x): x for x in inner}
    before = [(holder, dict(vars(holder))) for holder in holders.values()]
    contents = [
        (x, copy.copy(x)) for _, had in before for x in had.values() if isinstance(x, _CONTAINERS)
    ]
    try:
        yield
    except BaseException:
        _put_back(before)
        for container, content in contents:
            container.clear()
            (container.extend if isinstance(container, list) else container.update)(content)
        raise


_CONTAINERS = (list, dict, set)


def initialise(model: brainstate.nn.Module, batch_size: Any) -> None:
    """Initialise a model's states, those of modules whose `init_state` takes no batch, too.

    Parameters
    ----------
    model : brainstate.nn.Module
    batch_size : int, tuple of int or None
        None: it is not given, unless there is an `init_state` that cannot do without.

    Raises
    ------
    ParameterError
        It is given, and there is an `init_state` that does not take it.
    """
    nodes = brainstate.graph.nodes(model).values()
    initialisers = [node.init_state for node in nodes if hasattr(node, "init_state")]
    if batch_size is None and not any(map(_needs_batch, initialisers)):
        brainstate.nn.init_all_states(model)
        return
    for initialiser in initialisers:
        if not _takes_batch(initialiser):
            raise ParameterError(
                f"batch_size is {batch_size}, and {initialiser.__qualname__} takes none: write "
                "init_state(self, batch_size=None), which makes states with the axis of a batch, "
                "or leave batch_size out",
                got=batch_size,
            )
    brainstate.nn.init_all_states(model, batch_size=batch_size)


def _find_parameter(initialiser: Callable[..., Any]) -> inspect.Parameter | None:
    return inspect.signature(initialiser).parameters.get("batch_size")


def _needs_batch(initialiser: Callable[..., Any]) -> bool:
    parameter = _find_parameter(initialiser)
    return parameter is not None and parameter.default is inspect.Parameter.empty


def _takes_batch(initialiser: Callable[..., Any]) -> bool:
    kinds = {p.kind for p in inspect.signature(initialiser).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds or _find_parameter(initialiser) is not None


def renew(
    model: brainstate.nn.Module, batch_size: Any, *, keep_new: bool = False
) -> BrainscaleError | None:
    """Initialise a model's states again; the states stay the same objects.

    Most models make new states when they are initialised, of which a compiled function would know
    nothing. Here the new values are written to the states that there were.

    Parameters
    ----------
    model : brainstate.nn.Module
    batch_size : int, tuple of int or None
        With which the states are initialised.
    keep_new : bool, default False
        Where the states that there were cannot hold the new values, the model has new ones, and the
        error that says why is returned. Otherwise the model stays as it was.

    Raises
    ------
    ShapeError
        The states come to other shapes.
    StructureError
        A model that cannot be given back the states it had.
    """
    before = model.states()
    attributes = [(node, dict(vars(node))) for node in brainstate.graph.nodes(model).values()]
    renewed: list[tuple[Any, dict[str, Any]]] = []
    try:
        initialise(model, batch_size)
        fresh = dict(model.states())
    finally:
        renewed += [(node, dict(vars(node))) for node, _ in attributes]
        _put_back(attributes)
    error = _find_error(before, model.states(), fresh, batch_size)
    if error is None:
        for path, state in before.items():
            if fresh[path] is not state:
                _overwrite(state, fresh[path])
        return None
    if not keep_new:
        raise error
    _put_back(renewed)
    return error


def _put_back(attributes: list[tuple[Any, dict[str, Any]]]) -> None:
    for node, values in attributes:
        vars(node).clear()
        vars(node).update(values)


def _find_error(before: Any, after: Any, fresh: Any, batch_size: Any) -> BrainscaleError | None:
    """Find why the states before cannot hold the fresh values."""
    if set(after) != set(before) or any(after[path] is not before[path] for path in before):
        return StructureError("init_state must make the same states, as attributes or in new lists")
    for path, state in before.items():
        new = fresh.get(path)
        name = ".".join(map(str, path))
        if new is None:
            return StructureError(f"{name} is no state of the model that is initialised again")
        if state.stack_level > new.stack_level:
            return StructureError(
                f"{name} was made within a function that brainstate traced, and is of no use "
                "outside: initialise the model before the function is called"
            )
        got, needs = shapes_of(new.value), shapes_of(state.value)
        if got != needs:
            return ShapeError(
                f"{name} has come to {got} for a batch of {batch_size}, where it was {needs}: "
                "compile the learner for this batch",
                got=got,
                needs=needs,
            )
    return None


def _overwrite(state: Any, new: Any) -> None:
    """Give a state another's value, and its history."""
    state.value = new.value
    if getattr(state, "_history", None) is not None:
        state.history_state.value = new.history_state.value
