"""The Lambda functions, one a file: event → step → result. What they share is `runtime.py`."""
