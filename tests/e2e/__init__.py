"""Promises kept by the whole: a real Label Studio, the real server and trainer, and a real browser."""
