//! Futures that go on when whoever awaits them goes away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that is polled in place and, when it is dropped before its end, goes on by itself.
pub(crate) struct Detached<T: Send + 'static> {
    inner: Option<Boxed<T>>,
}

impl<T: Send + 'static> Detached<T> {
    pub(crate) fn new(inner: impl Future<Output = T> + Send + 'static) -> Self {
        Self { inner: Some(Box::pin(inner)) }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let inner = self.inner.as_mut().expect("a future is not polled after its end");
        let polled = inner.as_mut().poll(context);
        if polled.is_ready() {
            self.inner = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    #[allow(clippy::disallowed_methods)] // the invocation outlives its caller
    fn drop(&mut self) {
        if let (Some(inner), Ok(runtime)) =
            (self.inner.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(inner);
        }
    }
}
