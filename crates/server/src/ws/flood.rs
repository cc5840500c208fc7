//! A socket's bytes below the WebSocket library, which sees frames only to swallow some of them: pings that it
//! answers, fragments of nothing. Here they are counted, and a client that sends too many is cut off.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use headwater_core::limit;
use headwater_core::rate::Bucket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::heads::{CONTINUATION, Heads, PING};

/// What a client did too much of; found in the [`io::Error`] that reading then gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    /// Frames of any kind.
    Frames,
    /// Bytes.
    Bytes,
    /// Pings.
    Pings,
    /// A message in fragments that does not end.
    Fragments,
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frames => "too many frames in too short a time",
            Self::Bytes => "too many bytes in too short a time",
            Self::Pings => "too many pings in too short a time",
            Self::Fragments => "a message in fragments took too long",
        })
    }
}

impl std::error::Error for Flood {}

/// Counts what comes in; see the module. Frames cost no allocation, a message in fragments one timer.
pub struct Guarded<T> {
    inner: T,
    heads: Heads,
    frames: Bucket,
    bytes: Bucket,
    pings: Bucket,
    since: Instant,
    /// Runs while a message in fragments is open.
    fragments: Option<Pin<Box<Sleep>>>,
}

impl<T> Guarded<T> {
    /// Around a stream whose next byte is the first of a frame.
    pub(super) fn new(inner: T) -> Self {
        let (frames, bytes, pings) = Default::default();
        let since = Instant::now();
        Self { inner, heads: Heads::default(), frames, bytes, pings, since, fragments: None }
    }

    /// What lies below, where nothing is counted.
    pub(super) fn inner(&mut self) -> &mut T {
        &mut self.inner
    }

    fn check(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        let now = self.since.elapsed();
        let more = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.take(&limit::WS_BYTES, now, more).map_err(|_| Flood::Bytes)?;
        while let Some(head) = self.heads.next(&mut bytes) {
            self.frames.take(&limit::WS_FRAMES, now, 1).map_err(|_| Flood::Frames)?;
            match (head.opcode, head.last) {
                (PING, _) => self.pings.take(&limit::WS_PINGS, now, 1).map_err(|_| Flood::Pings)?,
                (CONTINUATION, true) => self.fragments = None,
                // Further fragments do not win time.
                (_, false) if head.is_data() && self.fragments.is_none() => {
                    self.fragments = Some(Box::pin(tokio::time::sleep(limit::WS_FRAGMENTS_TIME)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn flooded<R>(flood: Flood) -> Poll<io::Result<R>> {
    Poll::Ready(Err(io::Error::other(flood)))
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(cx, buf);
        if matches!(done, Poll::Ready(Ok(())))
            && let Some(came) = buf.filled().get(before..)
            && let Err(flood) = self.check(came)
        {
            return flooded(flood);
        }
        if let Some(open) = &mut self.fragments
            && open.as_mut().poll(cx).is_ready()
        {
            return flooded(Flood::Fragments);
        }
        done
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
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

/// Says that nothing more is written, and reads what the peer still sends, to nowhere, until it stops or `most`
/// is over: a socket that is closed with something unread is reset, and the reset overtakes the close frame.
pub(super) async fn discard<T: AsyncRead + AsyncWrite + Unpin>(from: &mut T, most: Duration) {
    let ended = async { tokio::io::AsyncWriteExt::shutdown(from).await };
    if !matches!(tokio::time::timeout(most, ended).await, Ok(Ok(()))) {
        return;
    }
    let reading = std::future::poll_fn(|cx| {
        // On the stack of the poll and not in the connection's task.
        let mut space = [std::mem::MaybeUninit::uninit(); 8 * 1024];
        // A peer that is faster than we are must not keep this thread for itself.
        for _ in 0..16 {
            let mut buf = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *from).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let _ = tokio::time::timeout(most, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    fn pair() -> (Guarded<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(64 * 1024);
        (Guarded::new(ours), theirs)
    }

    /// What reading everything that was sent comes to; `None`: nothing is amiss.
    async fn verdict(ours: &mut Guarded<DuplexStream>) -> Option<Flood> {
        let mut space = [0; 1024];
        loop {
            match timeout(Duration::from_millis(1), ours.read(&mut space)).await {
                Err(_) | Ok(Ok(0)) => return None,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.get_ref()?.downcast_ref().copied(),
            }
        }
    }

    const PING_FRAME: &[u8] = &[0x89, 0x80, 1, 2, 3, 4];
    const PONG_FRAME: &[u8] = &[0x8a, 0x80, 1, 2, 3, 4];
    const FIRST: &[u8] = &[0x01, 0x81, 0, 0, 0, 0, b'x'];
    const MORE: &[u8] = &[0x00, 0x80, 0, 0, 0, 0];
    const LAST: &[u8] = &[0x80, 0x80, 0, 0, 0, 0];

    // Planted fault: pings not told from other frames.
    #[tokio::test(start_paused = true)]
    async fn ten_pings_a_second_and_no_more() {
        let (mut ours, mut theirs) = pair();
        for _ in 0..30 {
            theirs.write_all(PING_FRAME).await.unwrap();
            advance(Duration::from_millis(110)).await;
            assert_eq!(verdict(&mut ours).await, None);
        }
        theirs.write_all(&PING_FRAME.repeat(12)).await.unwrap();
        assert_eq!(verdict(&mut ours).await, Some(Flood::Pings));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_nothing_are_frames() {
        for frame in [PONG_FRAME, MORE, &[0x81, 0x80, 0, 0, 0, 0]] {
            let (mut ours, mut theirs) = pair();
            theirs.write_all(&frame.repeat(limit::WS_FRAMES.burst as usize)).await.unwrap();
            assert_eq!(verdict(&mut ours).await, None);
            theirs.write_all(&frame.repeat(10)).await.unwrap();
            assert_eq!(verdict(&mut ours).await, Some(Flood::Frames));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_bytes_is_measured() {
        let (mut ours, mut theirs) = pair();
        let body = [&[0x82, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4][..], &[7; 32 * 1024]].concat();
        theirs.write_all(&body).await.unwrap();
        let mut passed = 0;
        let flood = loop {
            match verdict(&mut ours).await {
                None => passed += 1,
                Some(flood) => break flood,
            }
            assert!(passed < 100, "never cut off");
            theirs.write_all(&[7; 32 * 1024]).await.unwrap();
        };
        assert_eq!(flood, Flood::Bytes);
        assert!(passed >= 31, "{passed}");
    }

    // Planted fault: the timer begun anew by each fragment.
    #[tokio::test(start_paused = true)]
    async fn a_message_in_fragments_has_ten_seconds() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(FIRST).await.unwrap();
        for _ in 0..4 {
            assert_eq!(verdict(&mut ours).await, None);
            advance(Duration::from_secs(2)).await;
            theirs.write_all(MORE).await.unwrap();
        }
        theirs.write_all(LAST).await.unwrap();
        assert_eq!(verdict(&mut ours).await, None);
        advance(Duration::from_secs(100)).await;
        // A next one, whose end does not come, however often something else does.
        let began = Instant::now();
        theirs.write_all(FIRST).await.unwrap();
        let flood = loop {
            if let Some(flood) = verdict(&mut ours).await {
                break flood;
            }
            assert!(began.elapsed() < 2 * limit::WS_FRAGMENTS_TIME, "never cut off");
            advance(Duration::from_secs(3)).await;
            theirs.write_all(MORE).await.unwrap();
        };
        assert_eq!(flood, Flood::Fragments);
        assert!(began.elapsed() >= limit::WS_FRAGMENTS_TIME);
        // And nothing at all.
        let (mut ours, mut theirs) = pair();
        let began = Instant::now();
        theirs.write_all(&[FIRST, MORE].concat()).await.unwrap();
        assert_eq!(verdict(&mut ours).await, None);
        let error = ours.read(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&Flood::Fragments));
        assert!(began.elapsed() <= limit::WS_FRAGMENTS_TIME);
    }
}
