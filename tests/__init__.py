"""All tests but the suite's own; in packages, two files of different folders may share a name."""
