//! A connection that can be cut or made to hang.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Forwards loopback connections to another port.
pub(super) struct Proxy {
    pub(super) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    hangs: AtomicBool,
    /// Nothing comes of connections from now on.
    full: AtomicBool,
    ended: AtomicBool,
    accepted: AtomicUsize,
    /// Bytes that the server sent.
    came: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(super) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let accepting = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                accepting.accepted.fetch_add(1, Ordering::Relaxed);
                if accepting.full.load(Ordering::Relaxed) {
                    accepting.open.lock().unwrap().push(client);
                    continue;
                }
                let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
                for socket in [&client, &server] {
                    socket.set_nodelay(true).unwrap();
                }
                let mut open = accepting.open.lock().unwrap();
                for (from, to, comes) in [(&client, &server, false), (&server, &client, true)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    open.push(from.try_clone().unwrap());
                    let state = accepting.clone();
                    std::thread::spawn(move || forward(from, to, &state, comes));
                }
            }
        });
        Self { port, state }
    }

    /// Ends every connection that is open.
    pub(super) fn cut(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Forwards nothing any more, and ends nothing either.
    pub(super) fn hang(&self) {
        self.state.hangs.store(true, Ordering::Relaxed);
    }

    /// Takes further connections and forwards nothing of them, as a firewall that counts does.
    pub(super) fn fill(&self) {
        self.state.full.store(true, Ordering::Relaxed);
    }

    /// Forwards further connections again.
    pub(super) fn drain(&self) {
        self.state.full.store(false, Ordering::Relaxed);
    }

    /// Bytes that the server sent so far.
    pub(super) fn came(&self) -> u64 {
        self.state.came.load(Ordering::Relaxed)
    }

    /// Connections made so far.
    pub(super) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, state: &State, comes: bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        while state.hangs.load(Ordering::Relaxed) && !state.ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if comes {
            state.came.fetch_add(count as u64, Ordering::Relaxed);
        }
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.cut();
        // Rouses the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
