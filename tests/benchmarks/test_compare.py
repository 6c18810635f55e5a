"""What other servers are compared with: a backend of the form of Label Studio's examples, and the machine's limit."""

from pathlib import Path

import pytest

from benchmarks.compare import CASES, compare, compile_reader, limit_of
from benchmarks.material import csv_bytes
from benchmarks.processes import Client, file_server, reference_server

BACKEND = """
import argparse, json
from http.server import BaseHTTPRequestHandler, HTTPServer

import model

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"status": "UP"})

    def do_POST(self):
        tasks = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["tasks"]
        self.answer({"results": [{"result": model.regions(task)} for task in tasks]})

    def answer(self, content):
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

parser = argparse.ArgumentParser()
parser.add_argument("-p", "--port", type=int)
parser.add_argument("--host")
parser.add_argument("--log-level")
options = parser.parse_args()
HTTPServer((options.host, options.port), Handler).serve_forever()
"""
FINDS = """
import time, urllib.request

def regions(task):
    size = len(urllib.request.urlopen(task["data"]["csv_url"]).read())
    end = time.process_time() + 0.02
    while time.process_time() < end:
        pass
    return [{"value": {"start": 0, "end": size}}]
"""


@pytest.mark.parametrize(("model", "finds"), [(FINDS, True), ("def regions(task): return []", False)])
def test_a_backend_in_a_folder_is_asked_for_what_this_server_is(tmp_path: Path, model: str, finds: bool) -> None:
    folder = tmp_path / "backend"
    folder.mkdir()
    (folder / "_wsgi.py").write_text(BACKEND)
    (folder / "model.py").write_text(model)
    case = CASES[0]._replace(turns=(2, 2), tasks=2)
    (tmp_path / "a.csv").write_bytes(csv_bytes(case.rows, case.kind))
    with file_server(tmp_path) as files, reference_server(folder) as (port, process), Client(port) as client:
        if finds:
            assert compare(case, f"{files}a.csv", [(client, process)])[0] >= 0.03  # two tasks of 20 ms each
        else:
            with pytest.raises(RuntimeError, match="finds nothing"):
                compare(case, f"{files}a.csv", [(client, process)])


def test_the_loop_of_the_limit_reads_every_cell(tmp_path: Path) -> None:
    read = compile_reader(tmp_path)
    if read is None:
        pytest.skip("no C compiler")
    assert read(b"0.5,-12.25\n3,4\n") == 4
    case = CASES[0]
    data = csv_bytes(case.rows, case.kind)
    assert limit_of(case, data, read) > 0
