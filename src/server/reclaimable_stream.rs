//! A stream that hyper owns while it serves, and that comes back when hyper drops it for any reason, so that the connection can be closed
//! in stages.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// Where the stream is found after hyper has dropped it.
pub(super) struct Reclaim<S>(Arc<Mutex<Option<S>>>);

/// The stream that hyper owns. It tells the connection's activity of what is read.
pub(super) struct ReclaimableStream<S> {
    stream: Option<S>,
    reclaim: Arc<Mutex<Option<S>>>,
    activity: Option<Arc<Activity>>,
    /// Why reading failed, after something had been read.
    failed: Option<io::Error>,
}

/// Wraps a stream for hyper.
pub(super) fn reclaimable<S>(stream: S, activity: Option<Arc<Activity>>) -> (ReclaimableStream<S>, Reclaim<S>) {
    let reclaim = Arc::new(Mutex::new(None));
    (
        ReclaimableStream { stream: Some(stream), reclaim: Arc::clone(&reclaim), activity, failed: None },
        Reclaim(reclaim),
    )
}

impl<S> ReclaimableStream<S> {
    /// The stream; only a drop takes it.
    pub(super) fn get_ref(&self) -> Option<&S> {
        self.stream.as_ref()
    }
}

impl<S> Reclaim<S> {
    /// The stream, once hyper has dropped it.
    pub(super) fn take(&self) -> Option<S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S> Drop for ReclaimableStream<S> {
    fn drop(&mut self) {
        *self.reclaim.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
    }
}

impl<S: Unpin> ReclaimableStream<S> {
    fn with<T>(mut self: Pin<&mut Self>, ask: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.stream {
            Some(stream) => ask(Pin::new(stream)),
            // Only a drop takes it.
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + Unpin> ReclaimableStream<S> {
    /// Reads on while there is something and room for it: TLS gives a record at a time, and what hyper is given at a time goes through
    /// every layer up to the handler's task. An error keeps until the next time, so that what came before it is not lost.
    fn fill(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>, before: usize) {
        let mut last = before;
        while buffer.remaining() > 0 && buffer.filled().len() > last {
            last = buffer.filled().len();
            match Pin::new(&mut *self).with(|stream| stream.poll_read(context, buffer)) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => self.failed = Some(error),
                Poll::Pending => return,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReclaimableStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        ready!(self.as_mut().with(|stream| stream.poll_read(context, buffer)))?;
        self.fill(context, buffer, before);
        if let Some(activity) = &self.activity
            && buffer.filled().len() > before
        {
            activity.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReclaimableStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(context))
    }
}
