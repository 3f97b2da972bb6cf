//! A network cable that can be pulled: forwards TCP on loopback.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One end listens, the other dials.
pub struct Cable {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    target: SocketAddr,
    closed: AtomicBool,
    /// Bytes from the console to the host.
    sent: AtomicU64,
    /// Cut all links when `sent` reaches this; 0 never.
    cut_at: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

impl Cable {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            target,
            closed: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            cut_at: AtomicU64::new(0),
            streams: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(stream) = stream {
                    forward(&shared, stream);
                }
            }
        });
        Self { address, state }
    }

    /// Cut once, when this many more bytes have gone towards the host.
    pub fn cut_after(&self, bytes: u64) {
        let now = self.state.sent.load(Ordering::SeqCst);
        self.state.cut_at.store(now + bytes, Ordering::SeqCst);
    }

    /// Whether a cut that was ordered is still to come.
    pub fn is_armed(&self) -> bool {
        self.state.cut_at.load(Ordering::SeqCst) != 0
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.state.cut();
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn cut(&self) {
        for stream in self.streams.lock().expect("the streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn forward(state: &Arc<State>, console: TcpStream) {
    let Ok(host) = TcpStream::connect(state.target) else {
        return;
    };
    let _ = console.set_nodelay(true);
    let _ = host.set_nodelay(true);
    let mut streams = state.streams.lock().expect("the streams");
    let clones = [console.try_clone(), host.try_clone()];
    streams.extend(clones.into_iter().flatten());
    drop(streams);
    if let (Ok(from), Ok(to)) = (console.try_clone(), host.try_clone()) {
        pump(Arc::clone(state), from, to, true);
    }
    pump(Arc::clone(state), host, console, false);
}

fn pump(state: Arc<State>, mut from: TcpStream, mut to: TcpStream, counts: bool) {
    std::thread::spawn(move || {
        let mut chunk = vec![0; 32 * 1024];
        while let Ok(count) = from.read(&mut chunk) {
            if count == 0 || to.write_all(&chunk[..count]).is_err() {
                break;
            }
            if counts {
                let sent = state.sent.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
                let cut_at = state.cut_at.load(Ordering::SeqCst);
                if cut_at != 0 && sent >= cut_at {
                    state.cut_at.store(0, Ordering::SeqCst);
                    state.cut();
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
