//! Ports for servers that only take a number.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
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

/// A port of loopback that refuses connections as long as the socket lives, which has it and does not
/// listen: so nobody else can come to listen there.
pub fn refusing_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap_or_else(|why| panic!("no socket: {why}"));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let address = socket.bind(any).and_then(|()| socket.local_addr());
    let address = address.unwrap_or_else(|why| panic!("no port: {why}"));
    (socket, address.port())
}
