//! Bodies: read whole before anything is decided, within limits of size, time and memory.
//!
//! What is too large is still read for a while and thrown away, because a connection that is
//! closed on unread bytes takes the answer with it. What all bodies that are being read or
//! answered take together is bounded, so that nobody without a token can fill the memory;
//! requests without a body need none of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rejection::Rejection;

/// How much of a body that is too large is read and thrown away before the connection is closed.
const DISCARDED: usize = 16 * 1024 * 1024;

/// Bytes of all bodies together; at least this many whole bodies fit in any case.
const MEMORY: usize = 64 * 1024 * 1024;
const BODIES: usize = 4;

/// How large a body may be, how long it may take, and how much all may take together.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    bytes: usize,
    time: Duration,
    memory: Arc<Semaphore>,
}

impl Bodies {
    /// Bodies of up to `bytes`, each within `time`.
    pub(crate) fn new(bytes: usize, time: Duration) -> Self {
        let memory = bytes.saturating_mul(BODIES).clamp(MEMORY, Semaphore::MAX_PERMITS);
        Self { bytes, time, memory: Arc::new(Semaphore::new(memory)) }
    }

    /// The body, and its share of the memory while it is kept.
    async fn read(&self, body: Body) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Rejection> {
        let mut stream = body.into_data_stream();
        let (mut kept, mut share, mut seen) = (Vec::new(), None, 0_usize);
        while let Some(chunk) = stream.next().await {
            let chunk =
                chunk.map_err(|_| Rejection::bad_request("body-broken", "The body could not be read to its end."))?;
            seen = seen.saturating_add(chunk.len());
            if seen <= self.bytes {
                self.grow(&mut share, chunk.len())?;
                kept.extend_from_slice(&chunk);
            } else if seen > self.bytes.saturating_add(DISCARDED) {
                break;
            } else {
                (kept, share) = (Vec::new(), None);
            }
        }
        if seen > self.bytes { Err(Rejection::of_status(StatusCode::PAYLOAD_TOO_LARGE)) } else { Ok((kept, share)) }
    }

    fn grow(&self, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Rejection> {
        let overloaded = || Rejection::unavailable("overloaded", "Too many requests are being served.");
        let bytes = u32::try_from(bytes).map_err(|_| overloaded())?;
        let more = Arc::clone(&self.memory).try_acquire_many_owned(bytes).map_err(|_| overloaded())?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

/// The layer.
pub(crate) async fn whole_body(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(bodies.time, bodies.read(body)).await {
        Ok(Ok((body, _share))) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(rejection)) => rejection.into_response(),
        Err(_) => Rejection::of_status(StatusCode::REQUEST_TIMEOUT).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Body {
        Body::from(vec![b'x'; bytes])
    }

    async fn status(bodies: &Bodies, bytes: usize) -> StatusCode {
        match bodies.read(body(bytes)).await {
            Ok((kept, _)) => {
                assert_eq!(kept.len(), bytes);
                StatusCode::OK
            }
            Err(rejection) => rejection.status(),
        }
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_the_limit_and_refused_above_it() {
        let bodies = Bodies::new(1000, Duration::from_secs(1));
        assert_eq!(status(&bodies, 1000).await, StatusCode::OK);
        assert_eq!(status(&bodies, 1001).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status(&bodies, 1001 + DISCARDED).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_what_is_done_makes_room() {
        let bodies = Bodies { bytes: 1000, time: Duration::from_secs(1), memory: Arc::new(Semaphore::new(2500)) };
        let first = bodies.read(body(1000)).await.ok();
        let second = bodies.read(body(1000)).await.ok();
        assert_eq!(status(&bodies, 1000).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(&bodies, 500).await, StatusCode::OK);
        assert_eq!(status(&bodies, 0).await, StatusCode::OK);
        // Too large is too large, and keeps nothing.
        assert_eq!(status(&bodies, 1001).await, StatusCode::PAYLOAD_TOO_LARGE);
        drop(first);
        assert_eq!(status(&bodies, 1000).await, StatusCode::OK);
        drop(second);
        assert_eq!(bodies.memory.available_permits(), 2500);
    }
}
