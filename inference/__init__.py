"""The server: answers Label Studio, shows status pages, starts trainings; and commands that need no server.

Rooms from top to bottom: `web` (application and server), `commands`, `status` (pages), `operations`, `monitoring`,
`launchers`, `serving` (predicting). Trainings run in other processes, with the code in `training`.
"""
