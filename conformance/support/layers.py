"""Layers of Python packages, taken from what the tests' own clients are made of."""

import io
import zipfile

SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")


def publish(functions, name, content):
    made = functions.client.publish_layer_version(LayerName=name, Content={"ZipFile": content})
    return made["LayerVersionArn"]


def sdk(clients, *services):
    """boto3 with the models of a few services."""
    models = (*services, "_retry", "endpoints", "partitions", "sdk-default")

    def wanted(inside):
        is_model = inside.parts[:2] in (("botocore", "data"), ("boto3", "data"))
        return not (is_model and len(inside.parts) > 2 and not inside.parts[2].startswith(models))

    return packages(clients, SDK, wanted)


def runtime(clients):
    """The Python that the packages are for, where they hold code of its own version."""
    (site,) = (clients / "venv/lib").glob("python3*/site-packages")
    return site.parent.name


def packages(clients, names, wanted=lambda inside: True):
    """A zip of packages below `python/`, as layers have them."""
    (site,) = (clients / "venv/lib").glob("python3*/site-packages")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            found = site / name
            for path in [found] if found.is_file() else found.rglob("*"):
                inside = path.relative_to(site)
                plain = path.is_file() and path.suffix != ".pyc" and "examples" not in inside.parts
                if plain and wanted(inside):
                    archive.write(path, f"python/{inside}")
    return buffer.getvalue()
