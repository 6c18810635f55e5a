"""Routes that hold nothing and wait for nobody. The one list: auth, origins, request limits and request log read it."""

PROBES = frozenset({"/health", "/livez", "/readyz"})  # open without credentials, never refused, not in the activity log
