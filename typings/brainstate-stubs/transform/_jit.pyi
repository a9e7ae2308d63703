# brainstate says of what a decorator makes that it may be another decorator, and that it returns
# nothing when it is called.

from collections.abc import Callable
from typing import Any, overload

class JittedFunction:
    origin_fun: Callable[..., Any]
    stateful_fun: Any
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

@overload
def jit(fun: Callable[..., Any], **options: Any) -> JittedFunction: ...
@overload
def jit(**options: Any) -> Callable[[Callable[..., Any]], JittedFunction]: ...
