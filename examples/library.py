"""A trained model without Label Studio, cell by cell: `python examples/library.py MODEL_DIR PROJECT RECORDING.csv`.

By default the model and the recordings of `make run`. Editors that know `# %%` run it as a notebook.
"""

# %% A model: of a project in a store (a folder, or s3://, gs://, az://), or a file: load_model("model_project_3.onnx")
import sys

import pandas as pd

from time_series_segmenter import load_model

DEFAULTS = ["models", "0", "examples/watch/csv/subject01_side0.csv"]
where, project, recording = [*sys.argv[1:4], *DEFAULTS[len(sys.argv) - 1 :]]
model = load_model(where, project=int(project))
print(model)
print("needs the columns", *model.channels, "and times in", model.time_column or "none")

# %% A whole recording: a frame with these columns, in any order and beside others
frame = pd.read_csv(recording)
segments = model.segment(frame)
print(segments.to_string())
print(f"score {segments.attrs['score']:.2f}, doubts: {segments.attrs['doubts'] or 'none'}")

# %% How much of the recording is what
lasting = (segments["end"] - segments["start"]).groupby(segments["label"]).sum()
print(lasting.to_string())

# %% The same as a stream: 25 rows at a time, segments as soon as they are settled
stream = model.stream()
print(f"a segment is given out at most {stream.latency} rows after its end, once the first window is full")
parts = []
for first in range(0, len(frame), 25):
    found = stream.add(frame.iloc[first : first + 25])
    for each in found.itertuples():
        print(f"after {first + 25} rows: {each.label} from {each.start} to {each.end}, score {each.score:.2f}")
    parts.append(found)
parts.append(stream.finish())
streamed = pd.concat([part for part in parts if len(part)], ignore_index=True)
print(f"{len(streamed)} segments from the stream, {len(segments)} from the whole recording")
