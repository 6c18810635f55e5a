"""Commands that need no server, one module each; `shared.command_line` lists them and imports them by name.

Each module has `configure`, which adds arguments to a parser, and `main`, which returns the exit code. The command
`serve` is `inference.web.server`.
"""
