"""The layer of rows of a table."""

from __future__ import annotations

import braintools

from ..checks.arguments import check_integer
from ..checks.hints import Initializer
from ..operators import EmbeddingOp
from ..parameters import ETraceParam
from .layer import ParamType, make_initial
from .linear import OperationLayer

__all__ = ["Embedding"]

LECUN = braintools.init.LecunUniform()


class Embedding(OperationLayer):
    """Rows of a table, y = W[x].

    Parameters
    ----------
    num_embeddings, embedding_size : int
        K and N.
    embedding_init : callable or array, (K, N)
    param_type : type, default ETraceParam
        As for `Linear`.

    Examples
    --------
    >>> layer = brainscale.nn.Embedding(1000, 64)
    >>> layer(jnp.array([3, 14, 159])).shape
    (3, 64)
    """

    __module__ = "brainscale.nn"

    def __init__(
        self,
        num_embeddings: int,
        embedding_size: int,
        embedding_init: Initializer = LECUN,
        name: str | None = None,
        param_type: ParamType = ETraceParam,
    ):
        K = check_integer(num_embeddings, "num_embeddings")
        N = check_integer(embedding_size, "embedding_size")
        super().__init__(K, N, name)
        self._make_weight(
            make_initial(embedding_init, (K, N), "embedding_init"), EmbeddingOp(), param_type
        )
