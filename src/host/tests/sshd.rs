//! OpenSSH's sshd on a free port of loopback, with keys of its own.

use std::fmt::Write as _;
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

pub(super) struct Sshd {
    pub(super) port: u16,
    pub(super) dir: TempDir,
    child: Child,
}

impl Sshd {
    /// `None`, said aloud, where OpenSSH's server is not installed. `extra` are further lines of
    /// its configuration.
    pub(super) fn start(extra: &str) -> Option<Self> {
        Self::with_host_keys(extra, &["ed25519", "ecdsa"])
    }

    /// The same with an RSA key as well, which takes a second to make.
    pub(super) fn start_with_rsa(extra: &str) -> Option<Self> {
        Self::with_host_keys(extra, &["ed25519", "ecdsa", "rsa"])
    }

    fn with_host_keys(extra: &str, kinds: &[&str]) -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() {
            eprintln!("SKIPPED: /usr/sbin/sshd is not installed (apt install openssh-server)");
            return None;
        }
        let _ = std::fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut host_keys = String::new();
        for kind in kinds {
            let key = at(&format!("host_{kind}"));
            keygen(kind, &key, "");
            writeln!(host_keys, "HostKey {}", key.display()).unwrap();
        }
        keygen("ed25519", &at("id"), "");
        std::fs::copy(at("id.pub"), at("authorized_keys")).unwrap();
        let port = free_port();
        let unless_set = |line: String| {
            let keyword = line.split(' ').next().unwrap_or_default();
            if extra.contains(keyword) {
                String::new()
            } else {
                line
            }
        };
        let base = dir.path().display();
        let sftp = unless_set("Subsystem sftp internal-sftp".to_owned());
        // A home without start files: those of this machine's user may be slow.
        let home = unless_set(format!("SetEnv HOME={base}"));
        let config = format!(
            "{extra}\nPort {port}\nListenAddress 127.0.0.1\n{host_keys}\
             AuthorizedKeysFile {base}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 50\n{sftp}\n{home}\n"
        );
        std::fs::write(at("config"), config).unwrap();
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(at("config"))
            .stderr(Stdio::from(std::fs::File::create(at("log")).unwrap()))
            .spawn()
            .unwrap();
        let mut server = Self { port, dir, child };
        server.await_banner();
        Some(server)
    }

    fn await_banner(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut banner = [0; 4];
                if socket.read_exact(&mut banner).is_ok() && &banner == b"SSH-" {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!(
            "sshd did not start: {}",
            std::fs::read_to_string(self.path("log")).unwrap()
        );
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The SHA256 fingerprint of a host key, as `ssh-keygen` prints it.
    pub(super) fn fingerprint(&self, kind: &str) -> String {
        let listed = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.path(&format!("host_{kind}.pub")))
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed.split(' ').nth(1).unwrap().to_owned()
    }

    /// A known_hosts line for a host key.
    pub(super) fn known_hosts_line(&self, kind: &str, port: u16) -> String {
        let key = std::fs::read_to_string(self.path(&format!("host_{kind}.pub"))).unwrap();
        format!("[127.0.0.1]:{port} {key}")
    }

    /// A host that logs in with the right key and pins the right host key, through `port`.
    pub(super) fn config_via(&self, port: u16) -> HostConfig {
        let mut config = config(port, vec![Credential::Key(self.path("id"))]);
        config.host_keys = vec![self.fingerprint("ed25519")];
        config
    }

    pub(super) fn config(&self) -> HostConfig {
        self.config_via(self.port)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn keygen(kind: &str, path: &Path, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}
