"""Folders of Node packages, taken from what `conformance/prepare` has installed."""

import json

KEPT = (".js", ".cjs", ".mjs", ".json")


def modules(clients, *names):
    """What packages are made of, with all that they need, by its place below `node_modules/`."""
    root = clients / "js/node_modules"
    files, seen, wanted = {}, set(), list(names)
    while wanted:
        name = wanted.pop()
        folder = root / name
        if name in seen or not folder.is_dir():
            continue
        seen.add(name)
        for path in folder.rglob("*"):
            inside = path.relative_to(root)
            if path.is_file() and path.suffix in KEPT and "dist-types" not in inside.parts:
                files[f"node_modules/{inside}"] = path.read_bytes()
                if path.name == "package.json":
                    wanted += json.loads(path.read_text()).get("dependencies", {})
    return files
