//! `headwater serve`: everything in its place, recovery, the address, and an orderly end.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use headwater_bus::InProcess;
use headwater_core::port::{SharedEmbedder, SharedStore};
use headwater_engine::documents::Documents;
use headwater_engine::recover::recover;
use headwater_engine::retention::retain;
use headwater_engine::{Clock, Engine, Tasks};
use headwater_extract::Child;
use headwater_server::app::{App, Surface, surface};
use headwater_server::auth::secret::Secret;
use headwater_server::edge::Edge;
use headwater_server::gate::Gate;
use headwater_server::http::health::Readiness;
use headwater_server::metrics::Metrics;
use headwater_store::{Durability, SqliteStore};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::ServeArgs;
use crate::logs::{self, say};
use crate::settings::Settings;
use crate::workflows::Files;
use crate::{Failure, certificate, handoff, knowledge, provider, sign_in};

/// How long what is left may take once no run is alive: last frames and answers, then close frames. A
/// server with nothing to do ends within a second, whatever its clients do.
const LAST_WORDS: Duration = Duration::from_millis(500);
const FAREWELL: Duration = Duration::from_millis(300);
/// The database, in the data folder.
pub(crate) const DATABASE: &str = "headwater.db";
/// Files that are being uploaded, in the data folder.
const UPLOADS: &str = "uploads";

/// Serves until a signal, then drains.
pub(crate) fn serve(args: ServeArgs) -> Result<(), Failure> {
    let settings = Settings::of(&args)?;
    logs::start(&settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("no threads can be started: {e}")))?;
    let done = runtime.block_on(run(settings));
    // A model that still computes for nobody must not hold the exit up.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn run(settings: Settings) -> Result<(), Failure> {
    let mut files = Files::read(&settings)?;
    // First what fails quickly, then what a crash left, then what takes time.
    let (secret, store) = open(&settings).await?;
    let listeners = bind(&settings).await?;
    let left = recover(&store, Clock::default()).await.map_err(Failure::of)?;
    if left.ended > 0 {
        say(&format!(
            "{} answers were under way when the server ended; they are kept as interrupted",
            left.ended
        ));
    }
    if left.failed > 0 {
        say(&format!("{} answers of the life before could not be ended; the log says why", left.failed));
    }
    let hosts = headwater_providers::metrics::Metrics::default();
    let models = provider::open(&settings.answering, &settings.asked, &hosts).await?;
    provider::announce(&models, &settings.answering);
    let embedder = provider::search_by_meaning(&settings.asked).await;
    files.check(|alias| models.has(alias))?;
    knowledge::index(&store, embedder.as_ref(), files.take_documents()).await?;

    let chat = files.chat();
    let (tasks, draining) = (Tasks::default(), CancellationToken::new());
    let documents = open_documents(&settings, &store, embedder.clone(), tasks.clone())?;
    let teller = handoff::start(settings.handoff.as_ref(), &tasks, &store, &chat, &draining)?;
    let (workflows, dialects) =
        files.open(&models, embedder.as_ref(), teller.as_ref(), settings.dialects.clone(), &tasks).await;
    let bus = Arc::new(InProcess::new());
    let engine = Engine::new(Arc::clone(&store), bus, workflows, tasks.clone(), settings.engine.clone());
    let addresses: Vec<_> =
        listeners.iter().filter_map(|(surface, l)| Some((*surface, l.local_addr().ok()?))).collect();
    let retention = retain(Arc::clone(&store), Clock::default(), settings.retention, draining.clone());
    tasks.spawn("retention", retention);
    let auth = sign_in::open(&settings.sign_in, &settings.data, &secret, store).await?;
    let (forgets, stopping) = (Arc::clone(&auth), draining.clone());
    tasks.spawn("wrong passwords", async move { forgets.keep_forgetting(stopping).await });
    let readiness = Readiness::default();
    let facing = &settings.facing;
    let gate = Arc::new(Gate::new(facing.rules.clone()));
    let metrics = Metrics::default().beside(move |registry| hosts.register(registry));
    let app = App {
        engine: engine.clone(),
        auth,
        chat,
        documents,
        metrics: metrics.clone(),
        metrics_for: settings.metrics_for,
        readiness,
        gate: Arc::clone(&gate),
        dialects,
        departures: Arc::default(),
        presence: Arc::default(),
        draining: draining.clone(),
    };
    let edge = Edge::with_limits(tasks.clone(), facing.limits);
    let edge = edge.behind(Arc::clone(&gate)).counted(metrics).encrypted(facing.tls.clone());
    if let Some(tls) = facing.tls.clone() {
        let kept = certificate::keep_fresh(tls, certificate::hangups()?, draining.clone());
        tasks.spawn("certificate", kept);
    }
    if facing.rules.origins.all {
        say(
            "origins: `*`. PAGES OF EVERY SITE may open sockets here and read answers, with a token that they got somewhere",
        );
    }
    if settings.dialects.development {
        say("development: WHOEVER CONNECTS FROM THIS MACHINE is who he says, without a password");
    }
    for (on, listener) in listeners {
        let (edge, app, shutdown) = (edge.clone(), surface(app.clone(), on), draining.clone());
        tasks.spawn("listener", async move { edge.serve(listener, app, shutdown).await });
    }
    // Signals are heard before anybody can be told that the server is there.
    let signals = Signals::new()?;
    announce(facing.scheme(), &addresses)?;
    end(signals, &settings, &engine, &gate, &tasks, &draining).await;
    Ok(())
}

/// Documents of people, whose files are read by this same program in processes of their own.
fn open_documents(
    settings: &Settings,
    store: &SharedStore,
    embedder: Option<SharedEmbedder>,
    tasks: Tasks,
) -> Result<Documents, Failure> {
    // The running program itself, also after its file was replaced by a newer one.
    let running = std::path::PathBuf::from("/proc/self/exe");
    let program = if running.exists() { running } else { std::env::current_exe().map_err(Failure::of)? };
    let extract = Arc::new(Child::new(program, &["extract"]));
    let folder = settings.data.join(UPLOADS);
    Documents::open(Arc::clone(store), embedder, extract, tasks, folder).map_err(Failure::Failed)
}

async fn bind(settings: &Settings) -> Result<Vec<(Surface, TcpListener)>, Failure> {
    let mut listeners = Vec::new();
    for (surface, address) in &settings.listen {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|e| Failure::Failed(format!("{address} cannot be listened on: {e}")));
        listeners.push((*surface, listener?));
    }
    Ok(listeners)
}

async fn open(settings: &Settings) -> Result<(Secret, SharedStore), Failure> {
    let (data, durability) = (settings.data.clone(), settings.durability);
    let opened = tokio::task::spawn_blocking(move || {
        let shown = data.display();
        std::fs::create_dir_all(&data).map_err(|e| format!("the data folder {shown} cannot be made: {e}"))?;
        let secret = Secret::load_or_create(&data).map_err(|e| e.to_string())?;
        let store = SqliteStore::open(&data.join(DATABASE), durability).map_err(|e| e.to_string())?;
        say(&format!("data: {shown}"));
        Ok::<_, String>((secret, store))
    });
    let (secret, store) = opened.await.map_err(Failure::of)?.map_err(Failure::Failed)?;
    if settings.durability == Durability::ProcessSafe {
        say(
            "durability: process_safe. What was answered survives a crash of this process, not a loss of power",
        );
    }
    Ok((secret, Arc::new(store)))
}

/// The promise to scripts: the main address is the last line on standard output. What each listener serves is said
/// beside it.
fn announce(scheme: &str, addresses: &[(Surface, std::net::SocketAddr)]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let (main, others): (Vec<_>, Vec<_>) = addresses.iter().partition(|(on, _)| *on == Surface::Main);
    for (on, address) in others {
        writeln!(out, "{} on {scheme}://{address}: {}", on.as_str(), on.serves()).map_err(Failure::of)?;
    }
    for (on, address) in main {
        say(&format!("{address}: {}", on.serves()));
        writeln!(out, "listening on {scheme}://{address}").map_err(Failure::of)?;
    }
    out.flush().map_err(Failure::of)
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|e| Failure::Failed(format!("signals cannot be heard: {e}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits for a signal; then nothing new, live runs to their end, everything else away. A second signal
/// ends live runs as interrupted at once.
async fn end(
    mut signals: Signals,
    settings: &Settings,
    engine: &Engine,
    gate: &Gate,
    tasks: &Tasks,
    draining: &CancellationToken,
) {
    signals.next().await;
    // Before the first of them goes.
    let farewells = gate.farewell_time();
    draining.cancel();
    let live = engine.live();
    if live > 0 {
        let most = settings.drain.as_secs();
        say(&format!(
            "stopping: {live} answers are under way and have {most} s; a second signal ends them now"
        ));
        tokio::select! {
            () = engine.drain(settings.drain) => {}
            () = signals.next() => {}
        }
    }
    engine.drain(Duration::ZERO).await;
    let left = tokio::select! {
        left = tasks.drain(LAST_WORDS + farewells, FAREWELL) => left,
        () = signals.next(), if !farewells.is_zero() => tasks.drain(Duration::ZERO, FAREWELL).await,
    };
    if left.is_empty() {
        say("stopped");
    } else {
        say(&format!("stopped; still at work: {left:?}"));
    }
}
