"""Write container images as one OCI archive, each image one layer of plain files, without an engine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """A full name with tag, files by their path in the image, links by their path, and its configuration."""

    name: str
    files: Mapping[str, Path]
    links: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        directories = {"tmp", "etc"}
        for path in [*image.files, *image.links]:
            directories.update(str(p) for p in Path(path.lstrip("/")).parents if str(p) != ".")
        for directory in sorted(directories):
            info = tarfile.TarInfo(directory)
            info.type = tarfile.DIRTYPE
            info.mode = 0o1777 if directory == "tmp" else 0o755
            tar.addfile(info)
        for path, source in sorted(image.files.items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            real = source.resolve()
            info.size = real.stat().st_size
            info.mode = 0o755 if os.access(real, os.X_OK) else 0o644
            with open(real, "rb") as file:
                tar.addfile(info, file)
        for path, target in sorted(image.links.items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.type = tarfile.SYMTYPE
            info.linkname = target
            tar.addfile(info)
    return buffer.getvalue()


def write(archive: Path, images: Iterable[Image]) -> None:
    """Write the images into an archive for `ctr images import`."""
    machine = {"architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux"}
    written: set[str] = set()
    index: list[dict[str, object]] = []
    with tarfile.open(archive, "w") as tar:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        def blob(data: bytes) -> dict[str, object]:
            digest = hashlib.sha256(data).hexdigest()
            if digest not in written:
                written.add(digest)
                add(f"blobs/sha256/{digest}", data)
            return {"digest": f"sha256:{digest}", "size": len(data)}

        for image in images:
            layer = blob(_layer(image))
            config = blob(
                json.dumps(
                    {
                        **machine,
                        "config": {"Env": [_PATH], **image.config},
                        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
                    }
                ).encode()
            )
            manifest = blob(
                json.dumps(
                    {
                        "schemaVersion": 2,
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
                        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}],
                    }
                ).encode()
            )
            index.append(
                {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    **manifest,
                    "platform": machine,
                    "annotations": {
                        "io.containerd.image.name": image.name,
                        "org.opencontainers.image.ref.name": image.name.rsplit(":", 1)[1],
                    },
                }
            )
        add("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        add(
            "index.json",
            json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "manifests": index,
                }
            ).encode(),
        )
