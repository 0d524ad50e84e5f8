"""The Lambda functions: event → step → result. `runtime.py` has what they share, `steps.py` the plain ones."""
