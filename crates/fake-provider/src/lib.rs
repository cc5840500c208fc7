//! A provider that says what a script says: five wire formats, every way to be slow or to fail, and a
//! record of who called, how much he got and when he left. For our tests, for `bench/`, and as
//! `headwater fake-provider` for the tests of those who build on Headwater.
//!
//! ```text
//! Script (data) → steps → an encoder of the format → player: time, pieces, failure → connection → Calls
//! ```
//!
//! It knows none of our other crates: what it sends was written from what hosts send, so that it can
//! disagree with our decoders.
//!
//! ```no_run
//! # use headwater_fake_provider::{Failure, Fake, Format, Script};
//! # async fn example() -> std::io::Result<()> {
//! let fake = Fake::start(Script::tokens(50)).await?;
//! fake.next(Script::failing(Failure::status(503)), 2); // twice no, then the fifty words
//! let base_url = fake.base_url(Format::OpenAi); // http://127.0.0.1:…/v1
//! // … the client calls …
//! fake.wait_for(|calls| calls.answers == 3 && calls.open == 0).await;
//! # let _ = base_url; Ok(())
//! # }
//! ```

mod control;
mod failure;
mod format;
pub mod limit;
pub mod magic;
mod pace;
mod player;
mod record;
mod script;
mod server;
mod service;
mod socket;
mod steps;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::failure::Failure;
pub use self::format::Format;
pub use self::record::{Asked, Call, Calls, Ended};
pub use self::script::{Finish, LineEnd, Placement, ReasoningAs, Script, Tool, Usage};
use self::server::{Door, Spawner, certificate};
pub use self::server::{Http, Options};
use self::service::Shared;

/// A fake that runs. Dropping it ends it, with every connection.
#[derive(Debug)]
pub struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
    spawner: Spawner,
    closed: CancellationToken,
    gone: CancellationToken,
}

impl Fake {
    /// Starts one on any free port of 127.0.0.1, in the clear, with HTTP/1.1 and HTTP/2.
    ///
    /// # Errors
    /// Where it cannot listen; a script that is out of bounds.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_with(Options { script, ..Options::default() }).await
    }

    /// Starts one.
    ///
    /// # Errors
    /// Where it cannot listen or make a certificate; a script that is out of bounds.
    pub async fn start_with(options: Options) -> io::Result<Self> {
        let Options { listen, script, tls, http, streams } = options;
        script.check().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let (pem, tls) = if tls { Some(certificate(http)?) } else { None }.unzip();
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(script, pem));
        let (spawner, closed) = (Spawner::default(), CancellationToken::new());
        let door = Door {
            listener,
            closed: closed.clone(),
            shared: Arc::clone(&shared),
            spawner: spawner.clone(),
            tls,
            http,
            streams,
        };
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        spawner.spawn(async move {
            // Told when the listener is gone, however that came.
            let _guard = guard;
            door.run().await;
        });
        Ok(Self { address, shared, spawner, closed, gone })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS`, or `https://localhost:PORT`: its certificate names `localhost` and 127.0.0.1.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.shared.certificate {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// The base address of a format, with its version and without a slash at its end.
    #[must_use]
    pub fn base_url(&self, format: Format) -> String {
        self.origin() + format.base_path()
    }

    /// Its certificate as PEM, where it speaks TLS; a client has to trust it.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.shared.certificate.as_deref()
    }

    /// What it says from now on where nothing else is asked for. Not checked: [`Script::check`] does.
    pub fn script(&self, script: Script) {
        *self.shared.usual.lock() = Arc::new(script);
    }

    /// What it says to the next so many requests for an answer, behind those that wait already. False,
    /// where too many wait ([`limit::QUEUE`]).
    pub fn next(&self, script: Script, times: usize) -> bool {
        self.shared.queue(script, times)
    }

    /// The next so many connections are closed with a reset as they are accepted.
    pub fn refuse(&self, connections: u64) {
        *self.shared.refuse.lock() = connections;
    }

    /// What was recorded. Reading one figure is cheaper with [`Fake::read`].
    #[must_use]
    pub fn calls(&self) -> Calls {
        let mut calls = self.shared.book.read(Clone::clone);
        calls.now_us = self.now_us();
        calls
    }

    /// Reads what was recorded, which stands still meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Calls) -> T) -> T {
        self.shared.book.read(read)
    }

    /// Waits until what is recorded fulfils this; looks after every change, and has no limit of time. What
    /// is passed must not call the fake: the records are locked meanwhile.
    pub async fn wait_for(&self, fulfilled: impl Fn(&Calls) -> bool) {
        self.shared.book.wait_for(fulfilled).await;
    }

    /// Microseconds since it began, by the clock of its records.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.shared.book.now()
    }

    /// As at the start: no calls, no queue, the first script. What is under way goes on.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Stops listening: whoever connects now is refused by the system. What is connected goes on.
    pub async fn close(&self) {
        self.closed.cancel();
        self.gone.cancelled().await;
    }

    /// Ends it with every connection, and waits for that.
    pub async fn stop(self) {
        self.spawner.stop.cancel();
        self.spawner.tracker.close();
        self.spawner.tracker.wait().await;
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.spawner.stop.cancel();
    }
}
