"""The Job of component preannotate, made of its template by the command that docs/kubernetes.md gives."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from shared.command_line import parse
from tests.promises.kubernetes.rendering import Object, command_line, find, with_components
from tests.promises.kubernetes.rules import schema_problems
from tests.support.paths import ROOT

KUBECTL = str(Path(sys.executable).with_name("kubectl"))


def job_from(cronjob: Object, name: str) -> Object:
    """As `kubectl create job --from` makes it."""
    template = cronjob["spec"]["jobTemplate"]
    metadata = {**template["metadata"], "name": name, "namespace": cronjob["metadata"]["namespace"]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def test_the_documented_command_gives_each_pod_the_project_the_job_and_its_part() -> None:
    documented = (ROOT / "docs" / "kubernetes.md").read_text()
    found = re.search(r"kubectl (set env --local -f - PREANNOTATE_PROJECT.*?) \|", documented)
    assert found
    template = find(with_components("preannotate", "s3"), "CronJob", "preannotate")
    job = yaml.safe_dump(job_from(template, "preannotate-3"))
    done = subprocess.run([KUBECTL, *shlex.split(found[1])], input=job, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    started = yaml.safe_load(done.stdout)
    assert list(schema_problems([started])) == []
    spec = started["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    (container,) = spec["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    # the kubelet puts in the label's value, and the controller the index
    words = command_line(container, {**variables, "JOB_NAME": "preannotate-3", "JOB_COMPLETION_INDEX": "2"})
    options = parse("inference", words[3:], "test", "")
    assert (options.project, options.job, options.part) == ("3", "preannotate-3", 2)
