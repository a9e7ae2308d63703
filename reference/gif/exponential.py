"""The exponential of a triangular matrix."""

from __future__ import annotations

import numpy as np

#: Terms of the Taylor series. With a norm of 1/2 at most, those left out are below 1e-25.
TERMS = 20


def exponential(M: np.ndarray, dt: float) -> np.ndarray:
    """exp(M dt), by scaling and squaring of the Taylor series.

    M dt is halved s times, until its norm is 1/2 at most; the series of that is summed and then
    squared s times. Nothing divides by the difference of two rates, so rates may meet and vanish.

    The diagonal of the exponential of a triangular matrix is the exponential of its diagonal, and
    it is set so at each squaring. Otherwise a squaring would double the relative error of the
    diagonal, and a step of a million time constants would lose six digits. Where all entries off
    the diagonal are of one sign, as here, the squarings add numbers of one sign, so that each
    entry, however small, is exact to a few roundings for each squaring.

    Parameters
    ----------
    M : (..., n, n) array, 1/ms
        Lower triangular matrices, diagonals <= 0.
    dt : float, ms
        The length of the step, positive.

    Returns
    -------
    (..., n, n) array

    References
    ----------
    Higham 2008, Functions of Matrices, chapter 10; for the diagonal, Al-Mohy and Higham 2009, SIAM
    J. Matrix Anal. Appl. 31:970, section 2.
    """
    norm = np.abs(M).sum(axis=-1).max(axis=-1)
    # The logarithm of the product, since the product may overflow.
    s = np.ceil(np.log2(norm) + np.log2(dt) + 1).clip(min=0).astype(int)
    H = M * np.ldexp(dt, -s)[..., np.newaxis, np.newaxis]
    E = with_diagonal(taylor(H), H)
    for i in range(s.max(initial=0)):
        with np.errstate(over="ignore"):  # of matrices that are finished
            H = 2 * H
        squared = with_diagonal(E @ E, H)
        E = np.where((i < s)[..., np.newaxis, np.newaxis], squared, E)
    return E


def taylor(H: np.ndarray) -> np.ndarray:
    """1 + H + H²/2 + H³/6 + ..."""
    term = total = np.broadcast_to(np.eye(H.shape[-1]), H.shape)
    for i in range(1, TERMS):
        term = term @ H / i
        total = total + term
    return total


def with_diagonal(E: np.ndarray, H: np.ndarray) -> np.ndarray:
    """E with the exponential of the diagonal of H as its diagonal."""
    i = np.arange(E.shape[-1])
    result = E.copy()
    result[..., i, i] = np.exp(H[..., i, i])
    return result
