"""What each indicator should give, one module a family: TA-Lib, or numpy where it has no such thing."""
