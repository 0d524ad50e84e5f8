"""Terraform as a person runs it, in a copy of this checkout, against AWS on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COPIED = ("terraform", "analytics", "pipeline", "sql", "Makefile", "pyproject.toml", "requirements.lock")
LINKED = (".venv", "build")
"""build/ has the packages by checksum, so that later runs use them again."""
PLUGINS = "*/hashicorp/aws"
"""Below a folder of provider plugins, for any registry name."""


class Terraform:
    """A working copy of the configuration; each method is one Terraform command."""

    def __init__(self, folder: Path, environment: Mapping[str, str], **variables: Any) -> None:
        """Copy the checkout to `folder`. `variables` are the configuration's, `environment` the process's."""
        self.root = folder
        self.folder = folder / "terraform"
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / name, **({"ignore": _BUILT} if source.is_dir() else {}))  # type: ignore[operator]
        (ROOT / "build").mkdir(exist_ok=True)
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        (folder / "terraform.tfrc").write_text(_cli_config())
        self.variables = variables
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            "TF_IN_AUTOMATION": "1",
            "TF_CLI_ARGS": "-no-color",
            "CHECKPOINT_DISABLE": "1",
            "GOGC": "400",  # a fifth of Terraform's processor time is the collection of garbage
            "TF_CLI_CONFIG_FILE": str(folder / "terraform.tfrc"),
            **environment,
        }

    def init(self) -> None:
        self.run("init", "-input=false")

    def apply(self, *options: str) -> str:
        return self.run("apply", "-auto-approve", "-input=false", *options, *self._variables())

    def plan(self, *options: str) -> dict[str, list[str]]:
        """Return the addresses that would change, by action: create, update, delete, replace, read."""
        changes: dict[str, list[str]] = {}
        for line in self.run("plan", "-json", "-input=false", *options, *self._variables()).splitlines():
            event = json.loads(line)
            if event["type"] == "planned_change":
                change = event["change"]
                changes.setdefault(change["action"], []).append(change["resource"]["addr"])
        return changes

    def outputs(self) -> dict[str, Any]:
        return {name: output["value"] for name, output in json.loads(self.run("output", "-json")).items()}

    def resources(self) -> Iterator[dict[str, Any]]:
        """Yield the managed resources of the state: address without the key, type, values.

        The state itself has them: `show` would start the provider to ask it for the schemas.
        """
        for one in json.loads(self.run("state", "pull"))["resources"]:
            if one["mode"] == "managed":
                address = ".".join(filter(None, [one.get("module"), one["type"], one["name"]]))
                for instance in one["instances"]:
                    yield {"address": address, "type": one["type"], "values": instance["attributes"]}

    def destroy(self) -> str:
        """Destroy what the state has; that it is what AWS has, the second plan has shown."""
        return self.run("destroy", "-auto-approve", "-input=false", "-refresh=false", *self._variables())

    def run(self, *command: str) -> str:
        """Run a command; raise TerraformError with its whole output if it fails."""
        process = subprocess.run(
            ["terraform", *command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if process.returncode:
            raise TerraformError(f"terraform {' '.join(command)}\n{process.stdout}\n{process.stderr}")
        return process.stdout

    def _variables(self) -> list[str]:
        return [f"-var={name}={_written(value)}" for name, value in self.variables.items()]


class TerraformError(AssertionError):
    """A failed command."""


_BUILT = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*")


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cli_config() -> str:
    """Use the provider from a plugin folder of this machine if there is one, else from the registry."""
    home = Path.home() / ".terraform.d"
    folders = [*Path("/opt").glob(f"*/{PLUGINS}"), *Path("/usr").glob(f"*/*/{PLUGINS}"), *home.glob(f"*/{PLUGINS}")]
    if not folders:
        return ""
    mirror = f'filesystem_mirror {{\n    path = "{folders[0].parents[2]}"\n  }}'
    return f"provider_installation {{\n  {mirror}\n}}\n"
