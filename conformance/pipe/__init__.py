"""Judge an implementation in any language, through a pipe (docs/pipe.md).

`PipeAdapter` is the adapter of a program that is started and asked, a line of JSON for a line.
"""
