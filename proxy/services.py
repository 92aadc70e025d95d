"""What endpoints are built from: each takes what it needs of these."""

from dataclasses import dataclass
from pathlib import Path

from proxy.access.admission import Access
from proxy.access.store import KeyStore
from proxy.artifacts.gallery import Gallery
from proxy.artifacts.store import ArtifactStore
from proxy.catalogue_feed import CatalogueFeed
from proxy.gateway.forward import Forwarder
from proxy.gateway.leases import Leases
from proxy.gateway.manager import Manager
from proxy.jobs.events import EventHub
from proxy.jobs.keeper import Keeper
from proxy.jobs.reception import Reception
from proxy.jobs.unfinished import Unfinished
from proxy.media.bodies import Media
from proxy.metrics.meter import Meter
from proxy.metrics.report import Report
from proxy.sharing.share import Share
from proxy.traffic import Traffic


@dataclass(frozen=True)
class Services:
    """Made once, in `app.py`. `share`: what is held together with other workers, where there are any."""

    access: Access
    artifacts: ArtifactStore
    events: EventHub
    feed: CatalogueFeed
    forwarder: Forwarder
    gallery: Gallery
    image_forwarder: Forwarder
    jobs: Reception
    keeper: Keeper
    keys: KeyStore
    leases: Leases
    manager: Manager
    media: Media
    meter: Meter
    report: Report
    share: Share | None
    traffic: Traffic
    unfinished: Unfinished
    body_size: int
    upload_size: int
    static_dir: Path
