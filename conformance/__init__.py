"""pytest conformance/ judges an implementation against SPEC.md."""

#: The law's version, and how often a test of it has been mended (SPEC.md, chapter 15).
__version__ = "1.1.0"
