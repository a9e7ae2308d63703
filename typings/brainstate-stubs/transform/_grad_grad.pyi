# brainstate says of a gradient that it may be a decorator, and that it may or may not come with the
# value and with what is beside it: which of these, the options say.

from collections.abc import Callable
from typing import Any

def grad(fun: Callable[..., Any], grad_states: Any = ..., **options: Any) -> Callable[..., Any]: ...
def vector_grad(
    fun: Callable[..., Any], grad_states: Any = ..., **options: Any
) -> Callable[..., Any]: ...
def fwd_grad(
    fun: Callable[..., Any], grad_states: Any = ..., **options: Any
) -> Callable[..., Any]: ...
