//! A link to a server that can be cut, at once or in the middle of a transfer: to the client
//! it is a server that went away, with connections that end and new ones that are refused an
//! answer. The server behind it keeps running and keeps what it has received.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

/// A link from a port of its own to a server on this machine.
pub struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: SocketAddr,
    /// Bytes that may still pass, in both directions together; none is a cut link.
    left: AtomicI64,
    carried: AtomicI64,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Link {
    /// A link to `http://host:port`.
    ///
    /// # Errors
    /// When the address is none or no port is free.
    pub fn to(endpoint: &str) -> anyhow::Result<Self> {
        let server = endpoint.strip_prefix("http://").context("not a plain HTTP address")?.parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = Arc::new(State {
            server,
            left: AtomicI64::new(i64::MAX),
            carried: AtomicI64::new(0),
            over: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let link = Self { address: listener.local_addr()?, state: Arc::clone(&state) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if state.over.load(Ordering::SeqCst) {
                    return;
                }
                // A connection that cannot be made is one more way for a server to be away.
                let _ = client.map(|client| state.join(client));
            }
        });
        Ok(link)
    }

    /// Where clients find the server.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes that have passed so far.
    #[must_use]
    pub fn carried(&self) -> i64 {
        self.state.carried.load(Ordering::SeqCst)
    }

    /// Lets so many more bytes pass and then none; 0 cuts at once.
    pub fn cut_after(&self, bytes: i64) {
        self.state.left.store(bytes, Ordering::SeqCst);
        if bytes <= 0 {
            self.state.hang_up();
        }
    }

    /// Whether nothing passes.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state.left.load(Ordering::SeqCst) <= 0
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.state.left.store(i64::MAX, Ordering::SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.state.hang_up();
        // Wakes the listening thread, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn join(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        if self.left.load(Ordering::SeqCst) <= 0 {
            return client.shutdown(Shutdown::Both);
        }
        let server = TcpStream::connect(self.server)?;
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|stream| stream.peer_addr().is_ok());
            open.extend([client.try_clone()?, server.try_clone()?]);
        }
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let state = Arc::clone(self);
            std::thread::spawn(move || state.carry(from, to));
        }
        Ok(())
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = i64::try_from(read).unwrap_or(i64::MAX);
            let left = self.left.fetch_sub(bytes, Ordering::SeqCst);
            // The end of what may pass can lie in the middle of a request or an answer.
            let passing = usize::try_from(left.clamp(0, bytes)).unwrap_or(0);
            self.carried.fetch_add(left.clamp(0, bytes), Ordering::SeqCst);
            if to.write_all(buffer.get(..passing).unwrap_or_default()).is_err() {
                break;
            }
            if passing < read {
                self.hang_up();
            }
        }
        // One end has said all it had to say; the other may still be answering.
        let _ = to.shutdown(Shutdown::Write);
    }

    fn hang_up(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
