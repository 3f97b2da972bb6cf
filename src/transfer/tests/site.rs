//! A site of two hosts behind one sshd, a link that can be cut, and a journal that can crash.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::Fault;
use crate::host::tests::free_port;
use crate::host::{Credential, Host, HostConfig, Hosts, Lane, LiveOutput, Policy, Redactor};
use crate::journal::Intent;
use crate::names::{HostName, OpId};
use crate::runbook::model::{Driver, HostAddress, Mode, SiteRole};
use crate::transfer::{
    Delivery, Folder, Item, Landed, Landing, Patience, Seeds, Sum, Target, Tell, Writes, Written,
};
use crate::vmfiles::FileKind;

/// Two hosts, `esx1` and `bk1`, which are one sshd and see one file system, each behind a link.
pub(super) struct Site {
    pub(super) dir: TempDir,
    /// That to `esx1`.
    pub(super) link: Link,
    /// That to `bk1`.
    pub(super) source_link: Link,
    pub(super) hosts: Hosts,
    _sshd: Sshd,
}

struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    /// `None`, said aloud, where OpenSSH's server is not installed.
    pub(super) fn start(driver: Driver, extra: &str) -> Option<Self> {
        Self::start_with(driver, extra, true)
    }

    /// The same; bulk data may or may not have a session of its own.
    pub(super) fn start_with(driver: Driver, extra: &str, bulk_session: bool) -> Option<Self> {
        if !Path::new("/usr/sbin/sshd").exists() {
            println!("SKIPPED: /usr/sbin/sshd is not installed (apt install openssh-server)");
            return None;
        }
        let _ = std::fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["bin", "here", "there", "target"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        for key in ["host_key", "id"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen
                .args(["-q", "-t", "ecdsa", "-N", "", "-C", "test", "-f"])
                .arg(at(key));
            assert!(keygen.status().unwrap().success());
        }
        let port = free_port();
        let base = dir.path().display();
        let sftp = if extra.contains("Subsystem") {
            ""
        } else {
            "Subsystem sftp internal-sftp"
        };
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {base}/host_key\n\
             AuthorizedKeysFile {base}/id.pub\nStrictModes no\nUsePAM no\nPidFile none\n\
             PermitRootLogin yes\nLogLevel VERBOSE\nMaxStartups 50\nSetEnv PATH={base}/bin:/usr/bin:/bin HOME={base}\n{sftp}\n{extra}\n"
        );
        std::fs::write(at("config"), config).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let mut sshd = Command::new("/usr/sbin/sshd");
        let sshd = sshd
            .args(["-D", "-e", "-f"])
            .arg(at("config"))
            .stderr(Stdio::from(log));
        let sshd = Sshd(sshd.spawn().unwrap());
        await_banner(port, &at("log"));
        let (link, source_link) = (Link::to(port), Link::to(port));
        let listed = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(at("host_key.pub"))
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let address = |port| HostAddress {
            host: "127.0.0.1".into(),
            port,
        };
        let host = |name: &str, port, driver| HostConfig {
            role: SiteRole::Recovery,
            driver,
            bulk_session,
            auth: vec![Credential::Key(at("id"))],
            host_keys: vec![listed.split(' ').nth(1).unwrap().to_owned()],
            ..HostConfig::plain(name.into(), address(port), "root".to_owned())
        };
        let configs = vec![
            host("esx1", link.port, driver),
            host("bk1", source_link.port, Driver::Posix),
        ];
        let hosts = Hosts::new(configs, Policy::for_mode(Mode::Failover), Redactor::new());
        Some(Self {
            link,
            source_link,
            hosts,
            _sshd: sshd,
            dir,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn host(&self, name: &str) -> Arc<Host> {
        self.hosts.host(&name.into()).unwrap()
    }

    pub(super) fn on(&self, host: &str, folder: &str) -> Folder {
        Folder::On {
            host: self.host(host),
            path: self.path(folder).to_str().unwrap().to_owned(),
            lane: Lane::Transfer(1),
        }
    }

    /// To the folder `target/vm` of `esx1`.
    pub(super) fn delivery(&self, from: Folder, items: Vec<Item>, landing: Landing) -> Delivery {
        let ms = Duration::from_millis;
        Delivery {
            from,
            items,
            to: Target {
                host: self.host("esx1"),
                lane: Lane::Transfer(0),
                folder: self.path("target/vm").to_str().unwrap().to_owned(),
                run: "20260102-030405-test".into(),
            },
            landing,
            patience: Patience {
                first: ms(20),
                longest: ms(200),
                total: ms(3000),
            },
            seeds: Seeds::new(),
            survey: None,
        }
    }

    /// Counts the commands that are sent from now on.
    pub(super) fn count_sent(&self) -> Arc<AtomicU64> {
        let sent = Arc::<AtomicU64>::default();
        let count = sent.clone();
        self.hosts.set_output_sink(Arc::new(move |event| {
            count.fetch_add(u64::from(event.what == LiveOutput::Sent), Ordering::SeqCst);
        }));
        sent
    }

    /// How often a way was opened for files, by sshd's own log.
    pub(super) fn ways(&self) -> usize {
        let log = std::fs::read_to_string(self.path("log")).unwrap();
        log.matches("Starting session: subsystem 'sftp'").count()
    }

    /// Names in the target's folder, sorted.
    pub(super) fn arrived(&self) -> Vec<String> {
        names(&self.path("target/vm"))
    }
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn await_banner(port: u16, log: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) {
            let mut banner = [0; 4];
            if socket.read_exact(&mut banner).is_ok() && &banner == b"SSH-" {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!(
        "sshd did not start: {}",
        std::fs::read_to_string(log).unwrap()
    );
}

/// A VM of one disk in a folder: 30 MiB with some data, of which most is hole.
pub(super) fn put_vm(folder: &Path) -> Vec<Item> {
    put_vm_of(folder, 30)
}

/// The same with a disk of so many MiB, 5 at least.
pub(super) fn put_vm_of(folder: &Path, mib: u64) -> Vec<Item> {
    use std::os::unix::fs::FileExt;
    let size = mib << 20;
    let disk = std::fs::File::create(folder.join("web01-flat.vmdk")).unwrap();
    disk.set_len(size).unwrap();
    for (at, length, seed) in [
        (0, 300_000, 3),
        (size / 6, usize::try_from(size / 8).unwrap(), 5),
        (size - 70_000, 70_000, 7),
    ] {
        disk.write_all_at(&noise(length, seed), at).unwrap();
    }
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\
         RW {} VMFS \"web01-flat.vmdk\"\nddb.thinProvisioned = \"1\"\n",
        size / 512
    );
    let vmx = "displayName = \"web01\"\nnvram = \"web01.nvram\"\nscsi0.present = \"TRUE\"\n\
        scsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"web01.vmdk\"\n";
    std::fs::write(folder.join("web01.vmdk"), descriptor).unwrap();
    std::fs::write(folder.join("web01.nvram"), noise(8684, 11)).unwrap();
    std::fs::write(folder.join("web01.vmsd"), "").unwrap();
    std::fs::write(folder.join("web01.vmx"), vmx).unwrap();
    items_of(folder)
}

/// The files of a folder with their sums, as a point would have recorded them.
pub(super) fn items_of(folder: &Path) -> Vec<Item> {
    let files = names(folder);
    let files = files.into_iter().filter(|name| folder.join(name).is_file());
    let items = files.map(|name| {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        Item {
            kind: FileKind::with_text(&name, Some(&bytes)),
            at: name.clone(),
            name,
            bytes: bytes.len() as u64,
            sum: Some(Sum::of(&bytes)),
            recorded: true,
            text: None,
        }
    });
    items.collect()
}

/// Puts bytes into a file that is there.
pub(super) fn write(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).unwrap();
}

/// Gives a delivery the sums of its files as they are now in a folder.
pub(super) fn with_sums(mut delivery: Delivery, folder: &Path) -> Delivery {
    for item in &mut delivery.items {
        item.sum = Some(Sum::of(&std::fs::read(folder.join(&item.at)).unwrap()));
    }
    delivery
}

/// Told nothing.
pub(super) fn quiet() -> Tell {
    Arc::new(|_| {})
}

/// Bytes without zeros or repetition.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 | 1
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// What a transfer announced, and a crash before the announcement of a given number.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) announced: Mutex<Vec<String>>,
    pub(super) ended: Mutex<Vec<Written>>,
    pub(super) lost: AtomicU64,
    pub(super) landed: Mutex<Vec<String>>,
    crash_at: Option<usize>,
}

impl Journal {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn crashing_at(number: usize) -> Arc<Self> {
        Arc::new(Self {
            crash_at: Some(number),
            ..Self::default()
        })
    }

    pub(super) fn announced(&self) -> Vec<String> {
        self.announced.lock().unwrap().clone()
    }

    /// Bytes that went out over sessions that came to a good end.
    pub(super) fn sent(&self) -> u64 {
        let ended = self.ended.lock().unwrap();
        ended
            .iter()
            .map(|end| {
                if let Written::Sent(bytes) = end {
                    *bytes
                } else {
                    0
                }
            })
            .sum()
    }
}

impl Writes for Journal {
    async fn intend(&self, host: &HostName, shown: String, _bulk: bool) -> Result<Intent, Fault> {
        let mut announced = self.announced.lock().unwrap();
        if self.crash_at == Some(announced.len()) {
            return Err(Fault::new("crash", "", "", ""));
        }
        announced.push(shown);
        Ok(Intent::for_test(host.as_str()))
    }

    fn started(&self, _op: OpId, pid: u32) {
        assert!(pid > 1);
    }

    async fn finished(&self, _op: OpId, outcome: Written) -> Result<(), Fault> {
        self.ended.lock().unwrap().push(outcome);
        Ok(())
    }

    async fn landed(&self, file: &Landed) -> Result<(), Fault> {
        self.landed.lock().unwrap().push(file.name.clone());
        Ok(())
    }

    async fn lost(&self, _op: OpId, _why: String) -> Result<(), Fault> {
        self.lost.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Forwards connections, and cuts them after a number of bytes from the client.
pub(super) struct Link {
    pub(super) port: u16,
    state: Arc<LinkState>,
}

#[derive(Default)]
struct LinkState {
    passed: AtomicU64,
    came: AtomicU64,
    budget: Mutex<Option<u64>>,
    cuts: AtomicU64,
    ended: AtomicBool,
}

impl LinkState {
    /// Whether a cut was left; several connections may ask at once.
    fn takes_a_cut(&self) -> bool {
        let one_less = |cuts: u64| cuts.checked_sub(1);
        let taken = (self.cuts).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        taken.is_ok()
    }
}

impl Link {
    pub(super) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<LinkState>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
                    continue;
                };
                for socket in [&client, &server] {
                    socket.set_nodelay(true).unwrap();
                }
                let (up, down) = (shared.clone(), shared.clone());
                let (c, s) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || forward(c, s, &up, true));
                std::thread::spawn(move || forward(server, client, &down, false));
            }
        });
        Self { port, state }
    }

    /// Every connection is cut once so many bytes went up through it, from now on counted
    /// together; after `times` cuts the link holds.
    pub(super) fn cut_every(&self, bytes: u64, times: u64) {
        self.state.cuts.store(times, Ordering::Relaxed);
        *self.state.budget.lock().unwrap() = Some(bytes);
    }

    /// Bytes that went up so far.
    pub(super) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::Relaxed)
    }

    /// Bytes that came down so far.
    pub(super) fn came(&self) -> u64 {
        self.state.came.load(Ordering::Relaxed)
    }

    /// From now on every new connection is refused.
    pub(super) fn refuse(&self) {
        self.state.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.refuse();
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, state: &LinkState, goes_up: bool) {
    let mut buffer = vec![0; 64 << 10];
    let mut here = 0;
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        if !goes_up {
            state.came.fetch_add(count as u64, Ordering::Relaxed);
            continue;
        }
        here += count as u64;
        state.passed.fetch_add(count as u64, Ordering::Relaxed);
        let budget = *state.budget.lock().unwrap();
        if budget.is_some_and(|bytes| here > bytes) && state.takes_a_cut() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
