"""One module for each command of `python -m training`: `configure(parser)` and `main(arguments, settings)`."""
