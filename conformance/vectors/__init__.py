"""Vectors: calls with what is expected of them, as data, for who cannot run the judge.

docs/vectors.md describes them. `python -m conformance.vectors FOLDER` writes the full set; those of
`files/` are chosen of it.
"""
