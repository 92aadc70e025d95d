"""What endpoints are built from: each takes what it needs of these."""

from dataclasses import dataclass
from pathlib import Path

from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.forward import Forwarder
from proxy.gateway.manager import Manager
from proxy.traffic import Traffic


@dataclass(frozen=True)
class Services:
    """Made once, in `app.py`."""

    feed: CatalogueFeed
    forwarder: Forwarder
    image_forwarder: Forwarder
    manager: Manager
    traffic: Traffic
    body_size: int
    upload_size: int
    static_dir: Path
