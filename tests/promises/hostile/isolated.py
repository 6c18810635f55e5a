"""Run a command without a network, in a home of its own, and tell which names it looked up and which files it left.

unshare --net --mount python -m tests.promises.hostile.isolated HOME SECONDS COMMAND …

Prints one line of JSON. The resolver is a stub on loopback that answers "no such name". A command that is still running
after SECONDS is ended as an operator would end it.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

NO_SUCH_NAME = b"\x81\x83"
# Not handed on: the command has to keep quiet by itself. onnxruntime sends nothing where CI is set.
QUIETENS = ("ORT_DISABLE_TELEMETRY", "CI", "GITHUB_ACTIONS")


def main(home: Path, seconds: float, command: list[str]) -> None:
    """Needs namespaces of its own for network and mounts."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resolver = home.with_suffix(".resolver")
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    looked_up: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stub:
        stub.bind(("127.0.0.1", 53))
        threading.Thread(target=_answer, args=(stub, looked_up), daemon=True).start()
        home.mkdir()
        environment = {name: value for name, value in os.environ.items() if name not in QUIETENS}
        process = subprocess.Popen(
            command,
            env={**environment, "HOME": str(home), "LABEL_STUDIO_HOST": "http://127.0.0.1:9"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            said, _ = process.communicate()
    files = [str(path.relative_to(home)) for path in home.rglob("*")]
    print(json.dumps({"looked_up": looked_up, "files": files, "said": said, "code": process.returncode}))


def _answer(stub: socket.socket, looked_up: list[str]) -> None:
    while True:
        try:
            question, address = stub.recvfrom(4096)
        except OSError:
            return
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode())
            place += question[place] + 1
        looked_up.append(".".join(labels))
        stub.sendto(question[:2] + NO_SUCH_NAME + question[4:6] + bytes(6) + question[12:], address)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
