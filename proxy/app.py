"""The composition root: settings -> the application, with everything that it owns."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

from proxy.access.admission import Access
from proxy.access.database import KeyDatabase
from proxy.access.gate import Gate
from proxy.access.guard import KeyGuard
from proxy.access.host import HostGuard
from proxy.access.keyring import Keyring
from proxy.access.origin import guard_origin
from proxy.access.signed import Signatures
from proxy.access.sources import BadKeys
from proxy.access.store import KeyStore
from proxy.access.usage_book import UsageBook
from proxy.access_log import AccessLog
from proxy.artifacts.gallery import Gallery
from proxy.artifacts.store import ArtifactStore
from proxy.catalogue_feed import CatalogueFeed
from proxy.company import Company
from proxy.endpoints import find_routes
from proxy.errors import ErrorRenderer
from proxy.gateway.asgi import App, Receive, Reply, Scope, Send
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
from proxy.metrics.model_watch import ModelWatch
from proxy.metrics.paths import PathLabels
from proxy.metrics.report import Report
from proxy.records import Records
from proxy.router import Router
from proxy.services import Services
from proxy.settings import Settings
from proxy.sharing.asking import KEYS, METRICS
from proxy.sharing.share import Share
from proxy.tracing import make_tracing
from proxy.traffic import Traffic, TrafficGuard

CATALOGUE_SECONDS = 2.0  # with the manager away, it listens all the same


class Proxy:
    """The ASGI application. Its lifespan follows the manager, and closes leases and connections at the end."""

    def __init__(self, settings: Settings, share: Share | None = None) -> None:
        self.pool = Pool(PoolLimits())
        self._tracing = make_tracing(settings.traces_to, settings.otlp_service)
        self.traffic = Traffic()
        token, trace = TokenFile(settings.token_file).read, self._tracing.current_traceparent
        manager = Manager(self.pool, Address.parse(settings.manager_url), token, trace)
        self.leases = Leases(manager.lease, manager.keep, settings.lease_limits)
        watch, meter = ModelWatch(), self._tracing.meter()
        self.feed = CatalogueFeed(manager, watch, settings.manager_wait)
        company, book = Company(settings, share), UsageBook()
        ring = Keyring(company.key, monotonic, company.limits)
        self.keys = KeyStore(KeyDatabase(settings.key_store), ring, book, company.spread)
        self.keys.load()
        signatures = Signatures()
        self._build_store(settings, signatures)
        keeper = self._build_jobs(settings)
        self.report = Report(meter, watch, self.leases, self.pool, self.traffic)
        services = Services(
            access=Access(book, monotonic, company.limits),
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
            report=self.report,
            share=share,
            traffic=self.traffic,
            body_size=settings.body_size,
            upload_size=settings.upload_size,
            static_dir=settings.static_dir,
        )
        self._share = share
        self._log = AccessLog(company.out, settings.access_log)
        routes = find_routes(services)
        self.records = Records(self._log, meter, (route.path for route in routes))
        self.routes = tuple(routes)
        self._http = self._stack(settings, Router(routes), ring, signatures, company)

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

    def _stack(
        self, settings: Settings, router: App, ring: Keyring, signatures: Signatures, company: Company
    ) -> ErrorRenderer:
        key_guard = KeyGuard(ring, signatures, monotonic, BadKeys(monotonic, company.bad_keys))
        guards = (HostGuard(settings.hosts), guard_origin, key_guard, TrafficGuard(self.traffic))
        traced = self._tracing.traced(router, PathLabels(route.path for route in self.routes))
        return ErrorRenderer(Gate(guards, traced), self.records, self.traffic)

    def __call__(self, scope: Scope, receive: Receive, send: Reply) -> Awaitable[None]:
        return self._http(scope, receive, send) if scope["type"] == "http" else self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: from the server's start to its end."""
        await receive()
        follower = asyncio.create_task(self.feed.follow(), name="catalogue feed")
        keys = asyncio.create_task(self.keys.follow(), name="store of keys")
        line = asyncio.create_task(self._stay_in_line(), name="line to the parent")
        await self.artifacts.open()
        await self.jobs.start()
        sweeper = asyncio.create_task(self.artifacts.follow(), name="artifacts whose time is over")
        if self._share is not None:
            await self._await_catalogue()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        follower.cancel()
        line.cancel()
        sweeper.cancel()
        await asyncio.wait((follower, line, sweeper))
        await self.keys.close(keys)
        self.events.close()
        await self.jobs.close()
        await self.leases.close()
        await self.gallery.finish()
        await self.artifacts.close()
        await self.media.close()
        self.pool.close()
        self._log.flush()
        await self._tracing.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _stay_in_line(self) -> None:
        """Answer the other workers' questions, where there are any."""
        if self._share is not None:
            await self._share.siblings.follow({METRICS: self._tell_counts, KEYS: self._refresh_keys})

    async def _tell_counts(self) -> bytes:
        return self.report.render(None)

    async def _refresh_keys(self) -> bytes:
        await self.keys.refresh()
        return b""

    async def _await_catalogue(self) -> None:
        """One of several listens when it is ready, and not before: readiness must not come and go with each of them."""
        with suppress(ManagerAbsent, TimeoutError):
            async with asyncio.timeout(CATALOGUE_SECONDS):
                await self.feed.get()


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
