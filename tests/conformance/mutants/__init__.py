"""Mutants of `reference/`: copies with one small change, judged by the suite in this process.

`python -m tests.conformance.mutants` judges a sample or all of them against the untouched
reference, and lists those that survive. `places` says what may change and makes the change,
`copies` imports a changed copy beside the reference, `judging` calls the suite's tests, `__main__`
is the command, and `known.json` has the survivors that are no fault of the suite, each with its
reason.
"""
