"""pytest conformance/ judges an implementation against SPEC.md."""
