"""What must not fail unnoticed, and the tests that have to notice: the guards, by the part of them that is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Guard:
    """Files of one `room` whose mutants the `tests` must find.

    names: patterns of mutmut's names for mutants, where not all of the files is a guard
    equivalent: lines that a mutant may have, since nobody can tell it from what it was made of, and why
    """

    room: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    names: tuple[str, ...] = ()
    equivalent: Mapping[str, str] = field(default_factory=dict)


GUARDS: Mapping[str, Guard] = MappingProxyType(
    {
        "urls": Guard(
            "proxy",
            ("proxy/media/urls.py", "proxy/media/fetch.py", "proxy/media/data_urls.py"),
            (
                "tests/proxy/media/test_urls.py",
                "tests/proxy/media/test_fetch.py",
                "tests/proxy/media/test_data_urls.py",
            ),
        ),
        "access": Guard(
            "proxy",
            tuple(
                f"proxy/access/{name}.py"
                for name in (
                    "admission",
                    "bucket",
                    "guard",
                    "host",
                    "keyring",
                    "keys",
                    "origin",
                    "paths",
                    "signed",
                    "sources",
                )
            ),
            tuple(f"tests/proxy/test_{name}.py" for name in ("admission", "guards", "keyring", "limits")),
        ),
        "paths": Guard(
            "proxy",
            (
                "proxy/artifacts/local_folder.py",
                "proxy/artifacts/lookup.py",
                "proxy/artifacts/names.py",
                "proxy/artifacts/upload_folder.py",
                "proxy/artifacts/uploads.py",
                "proxy/endpoints/page.py",
            ),
            ("tests/proxy/artifacts/test_paths.py",),
            (
                "proxy.artifacts.local_folder.xǁLocalFolderǁ_open__*",
                "proxy.artifacts.lookup.x_is_id__*",
                "proxy.artifacts.lookup.x_place__*",
                "proxy.artifacts.names.*",
                "proxy.artifacts.upload_folder.xǁUploadFolderǁ_all__*",
                "proxy.artifacts.upload_folder.xǁUploadFolderǁ_meta__*",
                "proxy.artifacts.upload_folder.xǁUploadFolderǁlock__*",
                "proxy.artifacts.upload_folder.xǁUploadFolderǁparts__*",
                "proxy.artifacts.upload_folder.xǁUploadFolderǁread__*",
                "proxy.artifacts.uploads.x__require_whole__*",
                "proxy.artifacts.uploads.x__wrong__*",
                "proxy.endpoints.page.xǁStaticFilesǁ_find__*",
            ),
        ),
        "scheduler": Guard(
            "manager",
            tuple(
                f"manager/scheduling/{name}.py"
                for name in (
                    "attribution",
                    "eviction",
                    "ledger",
                    "lines",
                    "needs",
                    "prospects",
                    "scheduler",
                    "stall",
                    "victims",
                )
            ),
            tuple(
                f"tests/manager/test_{name}.py"
                for name in (
                    "decisions",
                    "eviction",
                    "ledger",
                    "lines",
                    "needs",
                    "scheduler",
                    "supervisor_memory",
                    "tiers",
                    "victims",
                )
            ),
            equivalent=MappingProxyType({"if rest >= 0:": "of nothing, nobody is given anything either way"}),
        ),
    }
)
