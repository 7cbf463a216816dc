//! Connections: how many, how slow, and how they end.
//!
//! | a peer | is answered by |
//! |---|---|
//! | opens more connections than there are places | waiting in the system's queue until one is free |
//! | sends nothing, or a head that does not end | a closed connection, after `limits.idleSeconds` |
//! | sends a head above 64 KiB | 431 and a closed connection |
//! | does not read its answer | a closed connection, after `limits.idleSeconds` without progress |
//! | sends a body slowly or without end | [`super::bodies`] |
//! | does not agree on TLS | a closed connection, after `limits.idleSeconds` |
//! | speaks HTTP/2 | a closed connection: gateways speak HTTP/1.1 to us, so half of the protocol code is not reachable |
//!
//! So whoever holds a place owes it something, and without paying loses it. A stop closes
//! the listener and the idle connections at once, lets requests in flight end, and cuts off
//! what is left when the time to drain is over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::patient_stream::PatientStream;

/// Largest request line and headers together. A token is at most 16 KiB.
const HEAD_BYTES: usize = 64 * 1024;

/// How long to wait when the system has no more file descriptors.
const BREATH: Duration = Duration::from_millis(200);

/// The connections of all listeners of one service.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    idle: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    /// None yet; a peer that owes bytes loses its connection after `idle`.
    pub(crate) fn new(idle: Duration) -> Self {
        let cut = CancellationToken::new();
        Self { idle, tasks: TaskTracker::new(), stop: cut.child_token(), cut }
    }

    /// Cuts everything off when it is dropped.
    pub(crate) fn guard(&self) -> DropGuard {
        self.cut.clone().drop_guard()
    }

    /// Serves `router` at `listener`, at most `places` connections at a time, over TLS where
    /// there is an acceptor.
    pub(crate) fn serve(&self, listener: TcpListener, router: Router, places: usize, tls: Option<TlsAcceptor>) {
        let connections = self.clone();
        let accepting = async move {
            let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
            while let Some((stream, place)) = connections.next(&listener, &places).await {
                connections.tasks.spawn(connections.clone().greet(stream, tls.clone(), router.clone(), place));
            }
        };
        self.tasks.spawn(accepting);
    }

    /// Stops listening and ends the connections: idle ones now, busy ones after their
    /// answer, all of them after `drain`.
    pub(crate) async fn shutdown(&self, drain: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!("requests were cut off after the time to drain");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }

    /// The next connection and its place; `None` when the service stops.
    async fn next(&self, listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let accepted = async {
            let place = Arc::clone(places).acquire_owned().await.ok()?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => return Some((stream, place)),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::error!(%error, "no connection can be accepted now");
                        tokio::time::sleep(BREATH).await;
                    }
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => None,
            accepted = accepted => accepted,
        }
    }

    /// Agrees on TLS first, where it is spoken; a peer that does not in time is let go.
    async fn greet(self, stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, place: OwnedSemaphorePermit) {
        // Answers are written whole: waiting for more to send would only cost time.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.talk(stream, router, place).await };
        let agreed = tokio::select! {
            agreed = tokio::time::timeout(self.idle, tls.accept(stream)) => agreed,
            () = self.stop.cancelled() => return,
        };
        match agreed {
            Ok(Ok(stream)) => self.talk(stream, router, place).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS could be agreed on"),
            Err(_) => tracing::debug!("a peer did not agree on TLS in time"),
        }
    }

    async fn talk<S>(self, stream: S, router: Router, _place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(PatientStream::new(stream, self.idle));
        let mut protocol = http1::Builder::new();
        protocol.timer(TokioTimer::new()).header_read_timeout(self.idle).max_header_size(HEAD_BYTES);
        let connection = protocol.serve_connection(stream, TowerToHyperService::new(router));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Whether an error of `accept` says something about one peer, not about this machine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
