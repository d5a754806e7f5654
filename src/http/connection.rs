//! A connection whose writes have a deadline: a client that reads nothing cannot hold its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection_state::ConnectionState;

/// A TCP stream that fails when one write makes no progress for a while, which is shorter once the
/// service stops.
pub(super) struct WriteTimeout {
    stream: TcpStream,
    state: Arc<ConnectionState>,
    timeout: Duration,
    stop_timeout: Duration,
    stalled: Option<Stalled>,
    lingering: Option<Lingering>,
}

/// Bytes that are read and thrown away of a connection that has been closed for writing.
const LINGERING_BYTES: usize = 64 << 20;
/// At a time.
const LINGERING_BUFFER_BYTES: usize = 16 << 10;

/// The end of a connection whose client is still sending: closed at once, the system would reset it, and the
/// client would lose the answer.
struct Lingering {
    left: usize,
    end: Pin<Box<Sleep>>,
}

/// A write that waits for the client.
struct Stalled {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl WriteTimeout {
    /// Wraps `stream`. A write may wait for `timeout`, and for `stop_timeout` of the end.
    pub(super) fn new(
        stream: TcpStream,
        state: Arc<ConnectionState>,
        timeout: Duration,
        stop_timeout: Duration,
    ) -> Self {
        Self { stream, state, timeout, stop_timeout, stalled: None, lingering: None }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.state.set_write_waits(progress.is_pending());
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let since = self.stalled.as_ref().map_or_else(Instant::now, |stalled| stalled.since);
        let deadline = self.deadline(since);
        let stalled = self
            .stalled
            .get_or_insert_with(|| Stalled { since, end: Box::pin(sleep_until(deadline)) });
        // The service may have begun to stop in between.
        if stalled.end.deadline() != deadline {
            stalled.end.as_mut().reset(deadline);
        }
        ready!(stalled.end.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready when the client has closed too, has sent too much, or time is up.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline(Instant::now());
        let lingering = self.lingering.get_or_insert_with(|| Lingering {
            left: LINGERING_BYTES,
            end: Box::pin(sleep_until(deadline)),
        });
        let mut buffer = [0; LINGERING_BUFFER_BYTES];
        while lingering.end.as_mut().poll(cx).is_pending() {
            let mut read = ReadBuf::new(&mut buffer);
            let received = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
            let length = read.filled().len();
            if received.is_err() || length == 0 || length > lingering.left {
                break;
            }
            lingering.left -= length;
        }
        Poll::Ready(())
    }

    fn deadline(&self, stalled: Instant) -> Instant {
        let deadline = stalled + self.timeout;
        match self.state.stopping() {
            Some(stopping) => deadline.min(stalled.max(stopping.into()) + self.stop_timeout),
            None => deadline,
        }
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let progress = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.watch(cx, progress))?;
        }
        if self.state.lingers() {
            ready!(self.linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
