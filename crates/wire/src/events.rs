//! Event streams: an output that goes on arriving.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::schema::Member;
use crate::value::{Refused, Scalar, Value, View};
use crate::{AwsError, Shape};

/// One event: a member of the union that the model draws.
pub trait Event: Send + 'static {
    /// Which member, and its shape.
    fn event(&self) -> (&'static Member, &dyn Shape);
}

/// Events as codecs see them.
pub type EventFrames = Results<Box<dyn Event>>;

/// Values as they come, until an error.
type Results<T> = Pin<Box<dyn Stream<Item = Result<T, AwsError>> + Send>>;

/// A stream of events; an error ends it.
pub struct EventStream<E>(Mutex<Results<E>>);

impl<E: 'static> EventStream<E> {
    /// Events as they come.
    pub fn new(events: impl Stream<Item = Result<E, AwsError>> + Send + 'static) -> Self {
        // The lock is never held: it makes the stream `Sync`.
        Self(Mutex::new(Box::pin(events)))
    }
}

impl<E: 'static> Default for EventStream<E> {
    fn default() -> Self {
        Self::new(Ended(std::marker::PhantomData))
    }
}

struct Ended<E>(std::marker::PhantomData<fn() -> E>);

impl<E> Stream for Ended<E> {
    type Item = Result<E, AwsError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

impl<E> Stream for EventStream<E> {
    type Item = Result<E, AwsError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.as_mut().poll_next(cx)
    }
}

impl<E> fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stream of events")
    }
}

struct Frames<E>(EventStream<E>);

impl<E: Event> Stream for Frames<E> {
    type Item = Result<Box<dyn Event>, AwsError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map(|next| next.map(|event| event.map(|event| Box::new(event) as Box<dyn Event>)))
    }
}

impl<E: Event> Value for EventStream<E> {
    fn view(&self) -> View<'_> {
        View::Stream
    }

    fn take_events(&mut self) -> Option<EventFrames> {
        Some(Box::pin(Frames(std::mem::take(self))))
    }
}

impl Value for crate::Body {
    fn view(&self) -> View<'_> {
        View::Stream
    }

    /// Bytes of a document that stands for a request.
    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Blob(bytes) = scalar else { return Err(Refused) };
        *self = bytes.into();
        Ok(())
    }

    fn set_body(&mut self, body: crate::Body) -> Result<(), crate::Body> {
        *self = body;
        Ok(())
    }

    fn take_body(&mut self) -> Option<crate::Body> {
        Some(std::mem::take(self))
    }
}

/// Makes an enum of events: `events!(Name, TABLE { 0 First(FirstShape), 1 Second(…) })`.
#[macro_export]
macro_rules! events {
    ($name:ident, $table:path { $($index:literal $variant:ident($shape:path)),* $(,)? }) => {
        #[derive(Clone, Debug)]
        pub enum $name {
            $($variant($shape),)*
        }
        impl $crate::Event for $name {
            fn event(&self) -> (&'static $crate::Member, &dyn $crate::Shape) {
                match self {
                    $(Self::$variant(shape) => (&$table.members()[$index], shape),)*
                }
            }
        }
    };
}
