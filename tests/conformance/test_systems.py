"""The systems through the AWS CLI: the same templates and binaries, packaged and deployed as on AWS."""

import subprocess

import pytest
import systems
from conftest import CommandLine
from program import ROOT


@pytest.fixture
def own_aws(own_server, tmp_path):
    return CommandLine(own_server, tmp_path)


@pytest.mark.parametrize("system", ["orders", "products"])
def test_a_system_is_deployed_and_removed_with_the_aws_cli(system, own_server, own_aws):
    build = ["cargo", "build", "--release", "--quiet", "--package", system]
    subprocess.run(build, cwd=ROOT / "systems", check=True, timeout=1800)
    systems.built(system, own_aws.folder)
    own_aws("s3", "mb", "s3://packages")
    package = ["--template-file", "template.yaml", "--s3-bucket", "packages", "--output-template-file", "packaged.yaml"]
    own_aws("cloudformation", "package", *package)
    deploy = ["--template-file", "packaged.yaml", "--stack-name", system, "--capabilities", "CAPABILITY_IAM"]
    parameters = systems.PARAMETERS.get(system, {})
    if parameters:
        deploy += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    done = own_aws.run("cloudformation", "deploy", *deploy)
    assert done.returncode == 0, done.stdout + done.stderr
    systems.drive(own_server, system, "send")
    own_aws("cloudformation", "delete-stack", "--stack-name", system)
    own_aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", system)
    left = own_server.client("cloudformation").describe_stacks
    with pytest.raises(own_server.client("cloudformation").exceptions.ClientError, match="does not exist"):
        left(StackName=system)
