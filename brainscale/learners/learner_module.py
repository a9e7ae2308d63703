"""What learners are as modules of brainstate: signatures, copies, names of earlier versions."""

from __future__ import annotations

import inspect
from typing import Any

import brainstate

from ..errors import StructureError
from .former_names import check_attribute

__all__ = ["LearnerModule"]


class LearnerModule(brainstate.nn.Module):
    """A module that shows the arguments it takes, can be copied, and cannot be pickled."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # brainstate's modules all say (*args, **kwargs).
        signature = inspect.signature(cls.__init__)
        _, *parameters = signature.parameters.values()
        cls.__signature__ = signature.replace(parameters=parameters)

    def __getattr__(self, name: str) -> Any:
        check_attribute(self, name)
        return object.__getattribute__(self, name)  # It says what is the matter.

    def __copy__(self) -> Any:
        new, others = object.__new__(type(self)), self.graph_invisible_attrs
        vars(new).update({k: v for k, v in vars(self).items() if k not in others})
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise StructureError(
            f"{type(self).__name__} cannot be pickled, as states of brainstate cannot: keep the "
            "values of learner.states() and write them to those of a learner made anew, or use "
            "the checkpoints of brainscale.fit"
        )
