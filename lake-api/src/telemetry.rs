//! The log: JSON lines on stderr, filtered by `RUST_LOG` (default: `info`).

use tracing_subscriber::EnvFilter;

/// Starts the log of this process. A second call changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr);
    if log.try_init().is_err() {
        tracing::debug!("the log has been started already");
    }
}
