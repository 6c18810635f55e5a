"""The trainer: fits a model to what people annotated in Label Studio, evaluates it and publishes it to the store.

Rooms in the order of the work: data, planning, fitting, judging, publishing, commands. Nothing here serves.
"""
