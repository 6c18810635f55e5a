"""Probe routes, which need no credentials and no resources. Used by auth, origins, request limits and request log."""

PROBES = frozenset({"/health", "/livez", "/readyz"})  # open without credentials, never refused, not in the activity log
