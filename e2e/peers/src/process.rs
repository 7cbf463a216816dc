//! A child process that cannot outlive the test.
//!
//! Rust's `Drop` does not run when a test binary is killed or leaves through `exit`, and
//! statics are never dropped. So a shell stands between: it holds the read end of a pipe
//! whose only write end is ours, and when that closes, for whatever reason, it ends the
//! peer and removes the peer's folder.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::PeerError;

/// `$1`: the peer's folder. `$OSCAR_PEER_PORTS`: its ports, whose sockets `SeaweedFS` leaves in `/tmp`.
/// The peer keeps the pipe as its standard input too, for peers that watch it themselves.
const GUARD: &str = r#"
folder=$1; shift
exec 3<&0
"$@" <&3 &
peer=$!
{ cat <&3 >/dev/null; kill -9 $peer; } >/dev/null 2>&1 &
guard=$!
wait $peer
kill $guard 2>/dev/null
rm -rf -- "$folder"
for port in $OSCAR_PEER_PORTS; do rm -f /tmp/seaweedfs-*-"$port".sock; done
"#;

/// A running peer with a folder of its own.
#[derive(Debug)]
pub(crate) struct Peer {
    name: &'static str,
    shell: Child,
    folder: PathBuf,
}

impl Peer {
    /// Starts `command` (its standard error goes to a log in `folder`).
    /// The folder is removed when the peer ends.
    pub(crate) fn start(
        name: &'static str,
        folder: PathBuf,
        command: &[&std::ffi::OsStr],
        environment: &[(&str, &str)],
    ) -> Result<Self, PeerError> {
        let broken = |error: std::io::Error| PeerError::Broken(format!("{name} cannot be started: {error}"));
        let log = File::create(folder.join("log")).map_err(broken)?;
        let shell = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&folder)
            .args(command)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(broken)?;
        Ok(Self { name, shell, folder })
    }

    /// What the peer prints.
    pub(crate) fn stdout(&mut self) -> Result<ChildStdout, PeerError> {
        self.shell.stdout.take().ok_or_else(|| PeerError::Broken(format!("{}: its output was taken before", self.name)))
    }

    /// The peer's own folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until `ready` holds; gives up when the peer ends or after a minute.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<(), PeerError> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if ready() {
                return Ok(());
            }
            if !matches!(self.shell.try_wait(), Ok(None)) {
                return Err(PeerError::Broken(format!("{} ended while starting", self.name)));
            }
            if Instant::now() > deadline {
                let why = self.last_log_line();
                return Err(PeerError::Broken(format!("{} is not ready after 60 s: {why}", self.name)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last thing the peer complained of.
    pub(crate) fn last_log_line(&self) -> String {
        let mut text = String::new();
        let read = File::open(self.folder.join("log")).and_then(|mut log| log.read_to_string(&mut text));
        match read {
            Ok(_) => text.lines().last().unwrap_or("its log is empty").to_owned(),
            Err(_) => "it has no log".to_owned(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Closing the pipe is the whole signal; the shell ends the peer by its own id and tidies up.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A new folder for a peer; [`Peer`] removes it.
pub(crate) fn new_folder(name: &str) -> Result<PathBuf, PeerError> {
    tempfile::Builder::new()
        .prefix(&format!("oscar-{name}-"))
        .tempdir()
        .map(tempfile::TempDir::keep)
        .map_err(|error| PeerError::Broken(format!("no temporary folder for {name}: {error}")))
}
