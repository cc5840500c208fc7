//! How long a request head may take, which is one time, and how long a connection may be silent before one,
//! which is another. The library has a single time for both; what it asks for it is this clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt;

/// Gives the library its pauses before a head. Each ends when the library asked for it to, which is the time
/// of silence; but at most `head` after the first byte that comes meanwhile, and the very first at most
/// `head` after it began: who connects has something to say.
///
/// A head of which a part came together with the request before it has the longer time.
#[derive(Debug)]
pub(super) struct HeadTimer {
    /// Bytes that have come from the peer.
    read: Arc<AtomicU64>,
    head: Duration,
    spoke: AtomicBool,
}

impl HeadTimer {
    pub(super) fn new(read: Arc<AtomicU64>, head: Duration) -> Self {
        Self { read, head, spoke: AtomicBool::new(false) }
    }
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        let first = !self.spoke.swap(true, Ordering::Relaxed);
        let deadline = if first { deadline.min(self.now() + self.head) } else { deadline };
        Box::pin(Waiting {
            sleep: Box::pin(tokio::time::sleep_until(deadline.into())),
            seen: self.read.load(Ordering::Relaxed),
            read: Arc::clone(&self.read),
            head: self.head,
            hurried: first,
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

struct Waiting {
    sleep: Pin<Box<tokio::time::Sleep>>,
    read: Arc<AtomicU64>,
    seen: u64,
    head: Duration,
    hurried: bool,
}

impl rt::Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    /// Polled by the library whenever bytes came and were no whole head yet.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.hurried && self.read.load(Ordering::Relaxed) != self.seen {
            self.hurried = true;
            let latest = tokio::time::Instant::now() + self.head;
            if latest < self.sleep.deadline() {
                self.sleep.as_mut().reset(latest);
            }
        }
        self.sleep.as_mut().poll(cx)
    }
}
