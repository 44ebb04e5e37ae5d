#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Manifests, for selftests/k8s/manifests.sh.

    manifests.py check SCHEMA ... < YAML   objects of the kinds that the schemas have: what is wrong with them, a line
                                           each; how many there were; status 1 where something is
    manifests.py known SCHEMA ... < YAML   the others, as JSON, for an API server
"""
import json
import re
import sys

import yaml

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def problems(value, schema, kinds, where):
    """Of the JSON Schema that selftests/k8s/schema keeps to: $ref names another entry of the file."""
    schema = kinds[schema["$ref"]] if "$ref" in schema else schema
    unknown = set(schema) - {"type", "enum", "pattern", "minItems", "items", "required", "properties", "additionalProperties"}
    if unknown:
        yield f"{where}: the schema has {unknown}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        yield f"{where}: {value!r} is no {schema['type']}"
        return
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r} is not {schema['pattern']}"
    if len(value) < schema.get("minItems", 0) if isinstance(value, list) else False:
        yield f"{where}: too few"
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where}: no {name}"
    for i, item in enumerate(value if isinstance(value, list) else []):
        yield from problems(item, schema.get("items", {}), kinds, f"{where}[{i}]")
    for name, item in value.items() if isinstance(value, dict) else []:
        if name in schema.get("properties", {}):
            yield from problems(item, schema["properties"][name], kinds, f"{where}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{where}: {name} is not known"


def main():
    kinds = {}
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            kinds.update(json.load(f))
    objects = [o for o in yaml.safe_load_all(sys.stdin) if o]
    if sys.argv[1] == "known":
        json.dump({"apiVersion": "v1", "kind": "List", "items": [o for o in objects if o["kind"] not in kinds]}, sys.stdout)
        return 0
    mine = [o for o in objects if o["kind"] in kinds]
    found = [p for o in mine for p in problems(o, kinds[o["kind"]], kinds, f"{o['kind']} {o['metadata']['name']}")]
    print("\n".join(found + [f"{len(mine)} objects"]))
    return bool(found)


sys.exit(main())
