"""A real Label Studio with this backend on one machine: `make demo`, and the parts that `make e2e` shares with it."""
