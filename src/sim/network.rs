//! The site's network: which guest ports are open, and where they are served on loopback.
//!
//! Each port that the runbook knows has a loopback port of its own, bound for as long as the site
//! runs. While no guest serves it, it is bound without listening, so that connections are refused
//! and nobody else can take it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::machine::Machine;
use super::vfs::Vfs;
use crate::names::{HostName, SiteName};

/// What answers at a guest's port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Status by path, where HTTP is spoken.
    pub(crate) pages: BTreeMap<String, u16>,
}

/// One port of a guest.
#[derive(Debug)]
struct Service {
    real: SocketAddr,
    open: watch::Sender<bool>,
    holders: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<(String, u16), Service>,
    addresses: BTreeMap<String, BTreeSet<String>>,
    hosts: BTreeMap<HostName, Listed>,
    machines: Vec<Arc<Machine>>,
    tasks: Vec<JoinHandle<()>>,
}

/// A host of the runbook.
#[derive(Debug)]
struct Listed {
    address: String,
    real: SocketAddr,
    files: Arc<Vfs>,
    up: bool,
}

impl State {
    /// The host of this name or address.
    fn host(&self, written: &str) -> Option<&Listed> {
        let mut listed = self.hosts.iter();
        let found = listed.find(|(name, host)| name.as_str() == written || host.address == written);
        found.map(|(_, host)| host)
    }

    /// The address of a host that is called by its name, as `/etc/hosts` would have it.
    fn address_of<'a>(&'a self, written: &'a str) -> &'a str {
        self.host(written).map_or(written, |host| &host.address)
    }
}

/// The site's network.
#[derive(Debug, Default)]
pub(crate) struct Network {
    state: Mutex<State>,
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets up a guest's port, on `wanted` if that is free. Gives the loopback port.
    ///
    /// # Errors
    /// No loopback port can be bound.
    pub(crate) async fn add(
        &self,
        host: &str,
        port: u16,
        wanted: u16,
        answer: Answer,
    ) -> io::Result<u16> {
        let socket = bind_wanted(wanted).await?;
        let real = socket.local_addr()?;
        let held = hold(&socket)?;
        let (open, opened) = watch::channel(false);
        let task = tokio::spawn(async move {
            serve(socket, real, opened, answer).await;
            drop(held);
        });
        let mut state = self.lock();
        let service = Service {
            real,
            open,
            holders: BTreeSet::new(),
        };
        state.services.insert((host.to_owned(), port), service);
        state.tasks.push(task);
        Ok(real.port())
    }

    /// Makes a host's name and address known.
    pub(crate) fn add_host(
        &self,
        name: &HostName,
        address: &str,
        real: SocketAddr,
        files: Arc<Vfs>,
    ) {
        let listed = Listed {
            address: address.to_owned(),
            real,
            files,
            up: true,
        };
        self.lock().hosts.insert(name.clone(), listed);
    }

    /// Notes whether a host answers.
    pub(crate) fn set_host(&self, name: &HostName, up: bool) {
        if let Some(host) = self.lock().hosts.get_mut(name) {
            host.up = up;
        }
    }

    /// The files of the host of this name or address, while it answers.
    pub(crate) fn files_of(&self, host: &str) -> Option<Arc<Vfs>> {
        let state = self.lock();
        let listed = state.host(host).filter(|listed| listed.up)?;
        Some(Arc::clone(&listed.files))
    }

    /// Makes known whose operating system a host is.
    pub(crate) fn add_machine(&self, machine: Arc<Machine>) {
        self.lock().machines.push(machine);
    }

    /// The machine that a guest is at a site, if the runbook has a host for it.
    pub(crate) fn guest_at(&self, guest: &str, site: &SiteName) -> Option<Arc<Machine>> {
        self.machine(|machine| machine.is_guest(guest, site))
    }

    /// The machine whose operating system a host is.
    pub(crate) fn machine_of(&self, host: &HostName) -> Option<Arc<Machine>> {
        self.machine(|machine| machine.host == *host)
    }

    fn machine(&self, wanted: impl Fn(&Machine) -> bool) -> Option<Arc<Machine>> {
        let state = self.lock();
        let found = state.machines.iter().find(|machine| wanted(machine));
        found.cloned()
    }

    /// A running guest takes an address.
    pub(crate) fn take_address(&self, holder: &str, address: &str) {
        self.lock()
            .addresses
            .entry(address.to_owned())
            .or_default()
            .insert(holder.to_owned());
    }

    /// A running guest opens a port.
    pub(crate) fn open(&self, holder: &str, host: &str, port: u16) {
        if let Some(service) = self.lock().services.get_mut(&(host.to_owned(), port)) {
            service.holders.insert(holder.to_owned());
            service.open.send_replace(true);
        }
    }

    /// A running guest closes its ports.
    pub(crate) fn close(&self, holder: &str) {
        for service in self.lock().services.values_mut() {
            if service.holders.remove(holder) && service.holders.is_empty() {
                service.open.send_replace(false);
            }
        }
    }

    /// A guest is gone from the network.
    pub(crate) fn leave(&self, holder: &str) {
        self.close(holder);
        for holders in self.lock().addresses.values_mut() {
            holders.remove(holder);
        }
        if let Some(machine) = self.machine(|machine| machine.is_run_by(holder)) {
            machine.stop(self);
        }
    }

    /// Where a guest's port is served on loopback, whether open or not.
    pub(crate) fn guest_address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.lock()
            .services
            .get(&(host.to_owned(), port))
            .map(|service| service.real)
    }

    /// Where a connection to this address goes: a guest's port, a host, or loopback itself.
    pub(crate) fn address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let state = self.lock();
        // Of a site that was emitted before, all hosts are at loopback, and told apart by their ports.
        let itself = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let listed = state.host(host).filter(|listed| listed.up && !itself);
        let host = state.address_of(host);
        if let Some(service) = state.services.get(&(host.to_owned(), port)) {
            return Some(service.real);
        }
        if let Some(listed) = listed {
            return Some(listed.real);
        }
        if host == "localhost" {
            return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        }
        if let Some(holders) = state.addresses.get(host)
            && !holders.is_empty()
        {
            // The guest is there, but nothing of it listens: port 1 of loopback refuses.
            return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1));
        }
        host.parse::<IpAddr>()
            .ok()
            .filter(IpAddr::is_loopback)
            .map(|ip| SocketAddr::new(ip, port))
    }

    /// Whether a ping is answered.
    pub(crate) fn answers(&self, host: &str) -> bool {
        let state = self.lock();
        let host = state.address_of(host);
        host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            || state
                .addresses
                .get(host)
                .is_some_and(|holders| !holders.is_empty())
            || state.host(host).is_some_and(|listed| listed.up)
    }

    /// Stops everything and hands out what is to be awaited.
    pub(crate) fn stop(&self) -> Vec<JoinHandle<()>> {
        let mut state = self.lock();
        state.machines.clear();
        for task in &state.tasks {
            task.abort();
        }
        std::mem::take(&mut state.tasks)
    }
}

/// A loopback socket that is bound but does not listen.
pub(crate) fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // A port that was served before may have connections that still fade; any port has to be one
    // that nobody else holds, not even somebody who does not listen yet.
    let again = port != 0;
    if again {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))?;
    if !again {
        socket.set_reuseaddr(true)?;
    }
    Ok(socket)
}

/// A loopback socket on the wanted port, else on any. The wanted one may be about to be given up by
/// a site that was just dropped: it is waited for.
pub(crate) async fn bind_wanted(wanted: u16) -> io::Result<TcpSocket> {
    if wanted != 0 {
        for _ in 0..25 {
            if let Ok(socket) = bind(wanted) {
                return Ok(socket);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    bind(0)
}

/// A second socket on a port that is bound and not yet served: while nothing listens there, nobody else
/// is given that port.
pub(crate) fn hold(socket: &TcpSocket) -> io::Result<TcpSocket> {
    bind(socket.local_addr()?.port())
}

/// Binds a port again that was just given up, waiting for it if need be.
pub(crate) async fn bind_again(address: SocketAddr) -> Option<TcpSocket> {
    for _ in 0..50 {
        match bind(address.port()) {
            Ok(socket) => return Some(socket),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    tracing::warn!(%address, "a loopback port of the site was taken by somebody else");
    None
}

async fn serve(
    first: TcpSocket,
    real: SocketAddr,
    mut open: watch::Receiver<bool>,
    answer: Answer,
) {
    let mut socket = Some(first);
    loop {
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        let Some(bound) = socket.take() else { return };
        let listener = match bound.listen(64) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%real, %error, "a guest's port cannot listen");
                return;
            }
        };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(talk(stream, answer.clone()));
                    }
                }
                Some(_) = connections.join_next() => {}
                changed = open.wait_for(|open| !*open) => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
            }
        }
        connections.shutdown().await;
        drop(listener);
        socket = bind_again(real).await;
    }
}

/// One connection: HTTP where pages are known, else silence until the peer leaves.
async fn talk(mut stream: TcpStream, answer: Answer) {
    let mut request = Vec::new();
    let mut buffer = [0; 2048];
    let limit = Duration::from_secs(30);
    while let Ok(Ok(count)) = tokio::time::timeout(limit, stream.read(&mut buffer)).await {
        if count == 0 {
            return;
        }
        if answer.pages.is_empty() {
            continue;
        }
        request.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if request.len() > 64 << 10 {
            return;
        }
        if !request.windows(4).any(|w| w == b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&request).into_owned();
        let path = head.split_whitespace().nth(1).unwrap_or("/").to_owned();
        let status = answer.pages.get(&path).copied().unwrap_or(404);
        let body = if status < 400 {
            "ok\n"
        } else {
            "no such page\n"
        };
        let text = format!(
            "HTTP/1.1 {status} {}\r\nServer: guest\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            if status < 400 { "OK" } else { "Not Found" },
            body.len()
        );
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_its_name_and_loopback_is_itself() {
        let network = Network::default();
        let real = SocketAddr::from(([127, 0, 0, 1], 40_022));
        let files = Arc::new(Vfs::new(std::env::temp_dir()));
        network.add_host(&"lee-bk1".into(), "127.0.0.1", real, files.clone());
        network.add_host(&"lee-esx1".into(), "10.20.0.21", real, files);
        assert_eq!(network.address("lee-bk1", 22), Some(real));
        assert_eq!(network.address("10.20.0.21", 22), Some(real));
        let asked = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(network.address("127.0.0.1", 9), Some(asked));
    }
}
