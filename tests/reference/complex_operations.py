"""The operations of SPEC.md, chapter 9, as matrices, each written as it is said: no entries."""

from __future__ import annotations

import itertools

import numpy as np


def matrix(operation, W, A=None):
    """M, (K, N), with y = x M, of complex numbers too; x is one-hot for an embedding."""
    if operation.kind == "sparse":
        M = np.zeros(operation.shape, W.dtype)
        np.add.at(M, (np.array(operation.rows), np.array(operation.columns)), W)
        return M
    if operation.kind == "low-rank":
        return operation.scale * (W @ A)
    if operation.kind == "grouped":
        return block_diagonal(W)
    if operation.kind != "convolution":
        return W
    channels = W.shape[-2] * operation.groups
    K = int(np.prod(operation.sizes)) * channels
    images = np.eye(K).reshape(K, *operation.sizes, channels)
    return convolved(operation, images, W).reshape(K, -1)


def block_diagonal(blocks):
    """Blocks, (G, K, N), one behind the other on the diagonal: (G K, G N)."""
    G, K, N = blocks.shape
    M = np.zeros((G * K, G * N), blocks.dtype)
    for g, block in enumerate(blocks):
        M[g * K : (g + 1) * K, g * N : (g + 1) * N] = block
    return M


def convolved(operation, images, W):
    """A convolution of padded images, one place of the window after the other."""
    *window, inside, outside = W.shape
    D, G = len(window), operation.groups
    strides = operation.strides or (1,) * D
    dilation = operation.dilation or (1,) * D
    pads = operation.padding
    counts = [-(-size // s) for size, s in zip(operation.sizes, strides, strict=True)]
    if pads == "SAME":
        spans = [(u - 1) * d + 1 for u, d in zip(window, dilation, strict=True)]
        wanted = [(n - 1) * s + span for n, s, span in zip(counts, strides, spans, strict=True)]
        odd = [max(w - size, 0) for w, size in zip(wanted, operation.sizes, strict=True)]
        pads = [(t // 2, -(-t // 2)) for t in odd]
    if pads == "VALID":
        pads = [(0, 0)] * D
    padded = np.pad(images, [(0, 0), *pads, (0, 0)])
    counts = [
        len(range(0, padded.shape[1 + i] - (window[i] - 1) * dilation[i], strides[i]))
        for i in range(D)
    ]
    y = np.zeros((len(images), *counts, outside), W.dtype)
    for u in itertools.product(*map(range, window)):
        at = tuple(
            slice(
                u[i] * dilation[i],
                u[i] * dilation[i] + (counts[i] - 1) * strides[i] + 1,
                strides[i],
            )
            for i in range(D)
        )
        seen = padded[(slice(None), *at)]
        for g in range(G):
            ins = slice(g * inside, (g + 1) * inside)
            outs = slice(g * outside // G, (g + 1) * outside // G)
            y[..., outs] += seen[..., ins] @ W[u][:, outs]
    return y
