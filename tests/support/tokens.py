"""The token of the Label Studio that plays along. No output of a test may hold it (see tests/conftest.py)."""

TOKEN = "0123456789abcdef0123456789abcdef01234567"
