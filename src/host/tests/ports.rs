//! Ports for servers that only take a number.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port of loopback, of those that the system gives nobody by chance: from the moment it is
/// found until the server listens, no connection and no listener on any port can come to it.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Programs that test beside each other begin at different ones.
    let own = (std::process::id() % 48) as u16 * 250;
    let next = || FIRST + (own + TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let found = (0..COUNT).map(|_| next()).find(is_free);
    found.unwrap_or_else(|| panic!("no port from {FIRST} to {} is free", FIRST + COUNT))
}
