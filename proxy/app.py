"""The composition root: settings -> the application, with everything that it owns."""

import asyncio
import sys
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from time import monotonic

from proxy.access.admission import Access
from proxy.access.database import KeyDatabase
from proxy.access.guard import KeyGuard
from proxy.access.host import HostGuard
from proxy.access.key import read_key
from proxy.access.keyring import Keyring
from proxy.access.origin import OriginGuard
from proxy.access.signed import Signatures
from proxy.access.store import KeyStore
from proxy.access.usage_book import UsageBook
from proxy.access_log import AccessLog
from proxy.artifacts.gallery import Gallery
from proxy.artifacts.store import ArtifactStore
from proxy.catalogue_feed import CatalogueFeed
from proxy.endpoints import find_routes
from proxy.errors import ErrorRenderer
from proxy.gateway.asgi import App, Receive, Scope, Send
from proxy.gateway.forward import Forwarder
from proxy.gateway.leases import Leases
from proxy.gateway.manager import Manager, ManagerAbsent
from proxy.gateway.upstream import Address, Pool, PoolLimits
from proxy.jobs.artifact_keeper import ArtifactKeeper
from proxy.jobs.assembly import build_jobs, tell_of_artifacts, tell_of_model
from proxy.jobs.engine import Engine
from proxy.jobs.events import EventHub
from proxy.media.bodies import Media
from proxy.media.decoder import Decoder
from proxy.media.fetch import Dialler, Fetcher, resolve
from proxy.metrics.meter import Meter
from proxy.metrics.model_watch import ModelWatch
from proxy.metrics.report import Report
from proxy.records import Records
from proxy.router import Router
from proxy.services import Services
from proxy.settings import Settings
from proxy.traffic import Traffic, TrafficGate


class Proxy:
    """The ASGI application. Its lifespan follows the manager, and closes leases and connections at the end."""

    def __init__(self, settings: Settings) -> None:
        self.pool = Pool(PoolLimits())
        self.traffic = Traffic()
        manager = Manager(self.pool, Address.parse(settings.manager_url), TokenFile(settings.token_file).read)
        self.leases = Leases(manager.lease, manager.keep, settings.lease_limits)
        watch, meter = ModelWatch(), Meter()
        self.feed = CatalogueFeed(manager, watch, settings.manager_wait)
        ring, book = Keyring(read_key(settings.key_file) if settings.key_file else None, monotonic), UsageBook()
        self.keys = KeyStore(KeyDatabase(settings.key_store), ring, book)
        self.keys.load()
        signatures = Signatures()
        self._build_store(settings, signatures)
        keeper = self._build_jobs(settings)
        services = Services(
            access=Access(book, monotonic),
            artifacts=self.artifacts,
            events=self.events,
            feed=self.feed,
            forwarder=Forwarder(self.leases, self.pool, settings.forward_limits, "the first token"),
            gallery=self.gallery,
            image_forwarder=Forwarder(self.leases, self.pool, settings.image_limits, "the picture"),
            jobs=self.jobs,
            keeper=keeper,
            keys=self.keys,
            leases=self.leases,
            manager=manager,
            media=self.media,
            meter=meter,
            report=Report(meter, watch, self.leases, self.pool, self.traffic),
            traffic=self.traffic,
            body_size=settings.body_size,
            upload_size=settings.upload_size,
            static_dir=settings.static_dir,
        )
        self._log = AccessLog(sys.stdout, settings.access_log)
        routes = find_routes(services)
        self.records = Records(self._log, meter, (route.path for route in routes))
        self.routes = tuple(routes)
        self._http = self._stack(settings, Router(routes), ring, signatures)

    def _build_store(self, settings: Settings, signatures: Signatures) -> None:
        """What decodes, and what is kept."""
        limits = settings.media_limits
        decoder = Decoder(limits)
        self.media = Media(Fetcher(limits, resolve, Dialler()), decoder, limits)
        self.artifacts = ArtifactStore(settings.artifacts_dir, settings.store_limits, signatures, decoder)
        self.gallery = Gallery(self.artifacts)

    def _build_jobs(self, settings: Settings) -> ArtifactKeeper:
        """What goes on without a caller, and what is told of it."""
        self.events = EventHub()
        tell_of_artifacts(self.artifacts, self.events)
        self.feed.followers.append(partial(tell_of_model, hub=self.events))
        keeper = ArtifactKeeper(self.artifacts)
        limits = settings.video_limits
        engine = Engine(Forwarder(self.leases, self.pool, limits, "the engine"), limits)
        self.jobs = build_jobs(settings.job_file, keeper, engine, self.events, self.traffic, settings.job_limits)
        return keeper

    def _stack(self, settings: Settings, router: App, ring: Keyring, signatures: Signatures) -> App:
        """Outermost last: ErrorRenderer, HostGuard, OriginGuard, KeyGuard, TrafficGate, Router."""
        app: App = TrafficGate(router, self.traffic)
        app = OriginGuard(KeyGuard(app, ring, signatures, monotonic))
        return ErrorRenderer(HostGuard(app, settings.hosts), self.records)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._http(scope, receive, send) if scope["type"] == "http" else self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: from the server's start to its end."""
        await receive()
        follower = asyncio.create_task(self.feed.follow(), name="catalogue feed")
        keys = asyncio.create_task(self.keys.follow(), name="store of keys")
        await self.artifacts.open()
        await self.jobs.start()
        sweeper = asyncio.create_task(self.artifacts.follow(), name="artifacts whose time is over")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        follower.cancel()
        sweeper.cancel()
        await asyncio.wait((follower, sweeper))
        await self.keys.close(keys)
        self.events.close()
        await self.jobs.close()
        await self.leases.close()
        await self.gallery.finish()
        await self.artifacts.close()
        await self.media.close()
        self.pool.close()
        self._log.flush()
        await send({"type": "lifespan.shutdown.complete"})


class TokenFile:
    """The token that the manager writes at its first start, and both read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Raises ManagerAbsent while there is none."""
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ManagerAbsent(f"the token file {self._path} cannot be read: {error}") from error
