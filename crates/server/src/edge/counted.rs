//! A socket that counts its bytes, keeps its place under the cap, and gives up on a peer that does not
//! read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use super::ConnInfo;
use crate::gate::{AddressKey, Place};
use crate::metrics::Open;

/// What a connection holds as long as its socket is open, whoever has it then.
pub(super) struct Held {
    /// Under the cap of the whole server.
    pub(super) _place: OwnedSemaphorePermit,
    /// Among the open ones that are counted.
    pub(super) _open: Open,
    /// Under that of its address; none for a proxy.
    pub(super) _address: Option<Place<AddressKey>>,
}

pub(super) struct Counted<T> {
    inner: T,
    info: ConnInfo,
    /// How long a write may wait for the peer while HTTP is spoken.
    patience: Duration,
    /// Runs while a write waits; most connections never need one.
    waiting: Option<Pin<Box<Sleep>>>,
    _held: Held,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, info: ConnInfo, patience: Duration, held: Held) -> Self {
        Self { inner, info, patience, waiting: None, _held: held }
    }

    /// What a write came to: counted, or, where it waits without any progress, ended in time.
    fn wrote(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &done {
            Poll::Ready(wrote) => {
                self.waiting = None;
                add(&self.info.written, *wrote.as_ref().unwrap_or(&0));
            }
            Poll::Pending if self.info.handed_over.load(Ordering::Relaxed) => self.waiting = None,
            Poll::Pending => {
                let patience = self.patience;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                if waiting.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        done
    }
}

fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(bytes as u64, Ordering::Relaxed);
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(cx, buf);
        add(&self.info.read, buf.filled().len().saturating_sub(before));
        done
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::time::{Instant, timeout};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A counted end whose peer holds 4 bytes, and the peer.
    fn pair() -> (Counted<DuplexStream>, ConnInfo, DuplexStream) {
        let (ours, theirs) = duplex(4);
        let info = ConnInfo::new(([127, 0, 0, 1], 1).into());
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let held =
            Held { _place: place, _open: crate::metrics::Metrics::default().connection(), _address: None };
        (Counted::new(ours, info.clone(), PATIENCE, held), info, theirs)
    }

    // Fault planted once: the timer not reset on progress; the slow reader was then cut off.
    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_stays_and_who_does_not_read_is_left() {
        let (mut ours, info, mut theirs) = pair();
        let began = Instant::now();
        let slowly = async {
            for _ in 0..5 {
                tokio::time::sleep(PATIENCE * 3 / 4).await;
                let mut four = [0; 4];
                let reading = timeout(PATIENCE, theirs.read_exact(&mut four));
                reading.await.expect("still written to").unwrap();
            }
            // And no further.
            Instant::now()
        };
        let (wrote, stopped) = tokio::join!(ours.write_all(&[7; 100]), slowly);
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), stopped.duration_since(began) + PATIENCE);
        assert_eq!(info.written.load(Ordering::Relaxed), 24);
    }

    #[tokio::test(start_paused = true)]
    async fn who_took_the_socket_over_decides_for_himself() {
        let (mut ours, info, _theirs) = pair();
        info.handed_over.store(true, Ordering::Relaxed);
        assert!(timeout(PATIENCE * 100, ours.write_all(&[7; 100])).await.is_err());
    }
}
