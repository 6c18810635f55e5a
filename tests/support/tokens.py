"""The token of the double of Label Studio. No output of a test may hold it (see tests/conftest.py)."""

TOKEN = "0123456789abcdef0123456789abcdef01234567"
