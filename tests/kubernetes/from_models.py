"""How the schemas beside this were made, of what the operators' own definitions (CRDs) say:

    pip download --no-deps --python-version 3.14 --only-binary=:all: \
        cloudcoil-models-prometheus-operator==0.93.1.1 cloudcoil-models-keda==2.20.2.1
    for each in *.whl; do unzip -o $each; done
    python tests/kubernetes/from_models.py .

The two packages, under the Apache License, Version 2.0, hold the definitions of prometheus-operator 0.93.1 and KEDA
2.20.2 as pydantic models. Only these are read here, without what the packages need and without what they can do.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

HERE = Path(__file__).parent
MODELS = {
    "PodMonitor": "cloudcoil/models/prometheus_operator/v1.py",
    "PrometheusRule": "cloudcoil/models/prometheus_operator/v1.py",
    "ScaledObject": "cloudcoil/models/keda/v1alpha1.py",
}


class _Strict(BaseModel):
    """As a cluster that is asked to be strict, which `kubectl apply` does: what is not defined is an error."""

    model_config = ConfigDict(extra="forbid")


class _Metadata(BaseModel):
    """Kubernetes' own, which is checked by its own schemas."""


def load(path: Path) -> ModuleType:
    """The models of a module, with their fields alone."""
    tree = ast.parse(path.read_text())
    tree.body = [each for each in tree.body if "cloudcoil" not in (getattr(each, "module", "") or "")]
    for each in tree.body:
        if isinstance(each, ast.ClassDef):
            each.body = [line for line in each.body if isinstance(line, ast.AnnAssign)] or [ast.Pass()]
    module = ModuleType("models_of_a_package")
    sys.modules[module.__name__] = module
    module.__dict__.update(BaseModel=_Strict, Resource=_Strict, ObjectMeta=_Metadata, UNSET=None)
    exec(compile(ast.fix_missing_locations(tree), path, "exec"), module.__dict__)
    return module


def plain(schema: Any) -> Any:
    """Without titles and defaults, and without the null that stands for a field which is left out."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: plain(value) for key, value in schema.items() if key != "default" and not _is_title(key, value)}
    kinds = [kind for kind in kept.pop("anyOf", []) if kind != {"type": "null"}]
    return {**kept, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})}


def _is_title(key: str, value: object) -> bool:
    return key == "title" and isinstance(value, str)


def main() -> None:
    """Write the schemas."""
    for kind, path in MODELS.items():
        model = getattr(load(Path(sys.argv[1]) / path), kind)
        schema = plain(model.model_json_schema())
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        (HERE / f"{kind}.schema.json").write_text(json.dumps(schema, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
