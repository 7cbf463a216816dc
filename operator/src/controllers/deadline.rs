//! The longest time for one look at an object.
//!
//! A server that vanishes without a word leaves a request waiting for ever, and with it one
//! object and one of the few places for reconciles. What is cut off is found by the next
//! look, as after the end of a process: every step can begin anew at any point.

use std::future::Future;
use std::time::Duration;

/// Far longer than a reconcile takes by right.
pub const LONGEST: Duration = Duration::from_mins(5);

/// It took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it did not end within {} s and begins anew; the API server or the object store may have stopped answering", .0.as_secs())]
pub struct Late(Duration);

impl Late {
    /// A `CamelCase` word for conditions, events and metrics.
    pub const REASON: &str = "TimedOut";
}

/// Does `work` as long as it takes, but no longer than `longest`.
///
/// # Errors
/// Those of the work, and [`Late`].
pub async fn within<T, E: From<Late>>(longest: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    // On the heap, because it is moved, and a reconcile's future is large.
    tokio::time::timeout(longest, Box::pin(work)).await.unwrap_or_else(|_| Err(Late(longest).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_never_ends_is_given_up_and_other_work_is_not() {
        let never = std::future::pending::<Result<(), Late>>();
        assert_eq!(within(Duration::from_millis(1), never).await, Err(Late(Duration::from_millis(1))));
        assert_eq!(within(LONGEST, async { Ok::<_, Late>(7) }).await, Ok(7));
    }
}
