"""Java functions: compiled here, packed as people pack them."""

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

INPUTS = Path(__file__).parent.parent / "inputs"
CORE = "com/amazonaws/services/lambda/runtime/"


class JavaClasses:
    """The classes of inputs/java and inputs/java17, compiled once, by their path."""

    def __init__(self, folder):
        assert shutil.which("javac"), "no javac: apt install default-jdk-headless"
        for inputs, release in [("java", "8"), ("java17", "17")]:
            sources = [str(path) for path in (INPUTS / inputs).rglob("*.java")]
            command = ["javac", "--release", release, "-nowarn", "-Xlint:-options", "-encoding", "UTF-8"]
            subprocess.run([*command, "-d", str(folder), *sources], check=True)
        self.files = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.class")
        }

    def of(self, *names):
        """The files of some classes of the package `example`, nested ones with them."""
        wanted = {
            path: content
            for path, content in self.files.items()
            if any(path in (f"example/{name}.class",) or path.startswith(f"example/{name}$") for name in names)
        }
        assert wanted, names
        return wanted

    @property
    def core(self):
        """The stand-in for aws-lambda-java-core."""
        return {path: content for path, content in self.files.items() if path.startswith(CORE)}

    def function(self, *names):
        """Classes with the library, as a fat jar or a zip has them at its root."""
        return {**self.of(*names), **self.core}


def jar(files):
    """The bytes of a jar."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
