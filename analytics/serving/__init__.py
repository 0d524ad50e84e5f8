"""The HTTP interface of a lake: bars, indicators and signals of one generation, for programs and pages."""
