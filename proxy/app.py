"""The composition root: settings -> the application, with everything that it owns."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic

from contract.states import ModelStatus
from proxy.access.admission import Access
from proxy.access.charge import Charges
from proxy.access.database import KeyDatabase
from proxy.access.guard import KeyGuard
from proxy.access.host import HostGuard
from proxy.access.keyring import Keyring
from proxy.access.origin import guard_origin
from proxy.access.signed import Signatures
from proxy.access.sources import BadKeys
from proxy.access.store import KeyStore
from proxy.access.usage_book import UsageBook
from proxy.access_log import AccessLog
from proxy.artifacts.counts import ArtifactCounts
from proxy.artifacts.gallery import Gallery
from proxy.artifacts.store import ArtifactStore
from proxy.artifacts.whereabouts import make_folder
from proxy.catalogue_feed import CatalogueFeed
from proxy.company import Company
from proxy.database import make_database
from proxy.endpoints import find_routes
from proxy.front import Front
from proxy.gateway.asgi import Receive, Reply, Scope, Send
from proxy.gateway.forward import Forwarder
from proxy.gateway.leases import Leases
from proxy.gateway.manager import Manager, ManagerAbsent
from proxy.gateway.upstream import Address, Pool, PoolLimits
from proxy.jobs.artifact_keeper import ArtifactKeeper
from proxy.jobs.assembly import tell_of_artifacts, tell_of_model, works_of
from proxy.jobs.counts import JobCounts
from proxy.jobs.desk import Jobs
from proxy.jobs.engine import Engine
from proxy.jobs.store import JobStore
from proxy.jobs.turn import Tools
from proxy.jobs.unfinished import Unfinished
from proxy.media.bodies import Media
from proxy.media.decoder import Decoder
from proxy.media.fetch import Dialler, Fetcher, resolve
from proxy.metrics.meter import Meter
from proxy.metrics.model_watch import ModelWatch
from proxy.metrics.report import Report
from proxy.services import Services
from proxy.settings import Settings
from proxy.sharing.share import Share
from proxy.token_file import TokenFile
from proxy.tracing import make_tracing
from proxy.traffic import Traffic, TrafficGuard

CATALOGUE_SECONDS = 2.0  # with the manager away, it listens all the same


class Proxy:
    """The ASGI application. Its lifespan follows the manager, and closes leases and connections at the end."""

    def __init__(self, settings: Settings, share: Share | None = None) -> None:
        self.pool = Pool(PoolLimits())
        self._tracing = make_tracing(settings.traces_to, settings.otlp_service)
        self.traffic = Traffic()
        watch, meter = ModelWatch(), self._tracing.meter()
        manager = self._build_leases(settings, watch)
        company, book = Company(settings, share), UsageBook()
        ring = self._build_keys(settings, company, book)
        signatures = self._build_store(settings)
        self.unfinished = Unfinished(self.leases, self.pool, settings.forward_limits)
        keeper = self._build_jobs(settings, company, ring)
        self.report = self._build_report(meter, watch)
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
            unfinished=self.unfinished,
            body_size=settings.body_size,
            upload_size=settings.upload_size,
            static_dir=settings.static_dir,
        )
        self._share, self._company = share, company
        self._log = AccessLog(company.out, settings.access_log)
        self.routes = tuple(find_routes(services))
        self.front = Front(services, self.routes, self._log, self._tracing)
        self._open_front(settings, KeyGuard(ring, signatures, monotonic, BadKeys(monotonic, company.bad_keys)))

    def _open_front(self, settings: Settings, key_guard: KeyGuard) -> None:
        guards = (HostGuard(settings.hosts), guard_origin, key_guard, TrafficGuard(self.traffic))
        self.front.open(guards, self.pool, settings.forward_limits)

    def _build_leases(self, settings: Settings, watch: ModelWatch) -> Manager:
        """What the manager is asked, and what it tells."""
        token, trace = TokenFile(settings.token_file).read, self._tracing.current_traceparent
        manager = Manager(self.pool, Address.parse(settings.manager_url), token, trace)
        self.leases = Leases(manager.lease, manager.keep, settings.lease_limits)
        self.feed = CatalogueFeed(manager, watch, settings.manager_wait)
        return manager

    def _build_keys(self, settings: Settings, company: Company, book: UsageBook) -> Keyring:
        """Who may ask."""
        ring = Keyring(company.key, monotonic, company.limits)
        self.keys = KeyStore(KeyDatabase(settings.key_store), ring, book, company.spread)
        self.keys.load()
        return ring

    def _build_store(self, settings: Settings) -> Signatures:
        """What decodes, and what is kept."""
        limits, signatures = settings.media_limits, Signatures()
        decoder = Decoder(limits)
        self.media = Media(Fetcher(limits, resolve, Dialler()), decoder, limits)
        self._database = make_database(settings.database_url, settings.database_password_file)
        place, bounds = settings.artifacts_dir, settings.store_limits
        folder, source = make_folder(place, settings.bucket_place), self._database.index_source()
        self.artifacts = ArtifactStore(place, bounds, signatures, decoder, folder=folder, source=source)
        self.gallery = Gallery(self.artifacts)
        return signatures

    def _build_report(self, meter: Meter, watch: ModelWatch) -> Report:
        """What `/metrics` tells."""
        counts = ArtifactCounts()
        self.artifacts.watch(counts.saw)
        parts = (self.jobs.write_metrics, counts.write)
        return Report(meter, watch, self.leases, self.pool, self.traffic, parts)

    def _build_jobs(self, settings: Settings, company: Company, ring: Keyring) -> ArtifactKeeper:
        """What goes on without a caller, and what is told of it."""
        self.events = company.events
        tell_of_artifacts(self.artifacts, self.events)
        keeper = ArtifactKeeper(self.artifacts)
        limits = settings.video_limits
        engine = Engine(Forwarder(self.leases, self.pool, limits, "the engine"), limits)
        store = JobStore(self._database.jobs(settings.job_file))
        tools = Tools(store, keeper, self.events, self.traffic, JobCounts())
        charges, words = Charges(ring, company.limits, monotonic), partial(self.leases.progress, awaited="the engine")
        bounds = replace(settings.job_limits, assets=settings.artifact_lifetime)
        self.jobs = company.share_jobs(Jobs(tools, works_of(engine), charges, bounds, words), self._tell_of_models)
        self.feed.followers.append(self._tell_of_model)
        return keeper

    def _tell_of_model(self, status: ModelStatus) -> None:
        """Every worker learns how a model stands; the one that runs the jobs tells it."""
        if self.jobs.is_leading:
            tell_of_model(status, self.events)

    def _tell_of_models(self) -> None:
        """What may have changed since the worker that told of it died."""
        if self.feed.directory is not None:
            for status in self.feed.directory.statuses.values():
                self._tell_of_model(status)

    def __call__(self, scope: Scope, receive: Receive, send: Reply) -> Awaitable[None]:
        return self.front.http(scope, receive, send) if scope["type"] == "http" else self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: from the server's start to its end."""
        await receive()
        follower = asyncio.create_task(self.feed.follow(), name="catalogue feed")
        keys = asyncio.create_task(self.keys.follow(), name="store of keys")
        line = asyncio.create_task(self._company.stay_in_line(self.report, self.keys, self.jobs), name="line")
        await self.artifacts.open()
        await self.jobs.start()
        sweeper = asyncio.create_task(self._sweep(), name="artifacts whose time is over")
        if self._share is not None:
            await self._await_catalogue()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        follower.cancel()
        sweeper.cancel()
        await asyncio.wait((follower, sweeper))
        await self.unfinished.close()
        await self.keys.close(keys)
        self.events.close()
        await self.jobs.close()
        line.cancel()  # from here on another worker runs the jobs
        await asyncio.wait((line,))
        await self.leases.close()
        await self.gallery.finish()
        await self.artifacts.close()
        await self.media.close()
        self.pool.close()
        self._log.flush()
        await self._tracing.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _sweep(self) -> None:
        """Of several workers one is enough."""
        if self._share is None or self._share.assignment.worker == 0:
            await self.artifacts.follow()

    async def _await_catalogue(self) -> None:
        """One of several listens when it is ready, and not before: readiness must not come and go with each of them."""
        with suppress(ManagerAbsent, TimeoutError):
            async with asyncio.timeout(CATALOGUE_SECONDS):
                await self.feed.get()
