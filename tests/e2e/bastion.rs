//! A VM restored behind a jump host, reached as `~/.ssh/config` says: OpenSSH's server as the
//! bastion and in front of the hosts behind it.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::kill::real_answers;
use crate::openssh::{Behind, Front, free_port, is_here, keygen, user};
use crate::program::{Place, headless, until};
use crate::site::{Site, answers};

/// An sshd that carries connections, and leaves a file behind if it is ever given a command.
struct Bastion {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
}

impl Bastion {
    fn start(dir: &Path, key: &Path) -> Self {
        let dir = dir.join("bastion");
        std::fs::create_dir_all(&dir).expect("a folder");
        keygen(&dir.join("host_key"));
        let public = Command::new("ssh-keygen").arg("-yf").arg(key).output();
        std::fs::write(dir.join("keys"), public.expect("ssh-keygen").stdout).expect("its keys");
        let (address, at) = (free_port(), dir.display());
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {at}/host_key\nPidFile none\nUsePAM no\n\
             AuthorizedKeysFile {at}/keys\nForceCommand touch {at}/commanded\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             MaxSessions 0\nLogLevel DEBUG1\n",
            address.port()
        );
        std::fs::write(dir.join("config"), config).expect("its configuration");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(dir.join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).expect("a log"))
            .spawn()
            .expect("sshd");
        let limit = Duration::from_secs(60);
        until(limit, "the bastion does not listen", || {
            TcpStream::connect(address).is_ok()
        });
        Self {
            child,
            address,
            dir,
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).expect("its log")
    }
}

impl Drop for Bastion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn known(port: u16, host_key: &Path) -> String {
    let public = std::fs::read_to_string(host_key.with_extension("pub")).expect("a public key");
    format!("[127.0.0.1]:{port} {public}")
}

/// `~/.ssh` with a configuration that includes another file.
fn write_ssh_config(place: &Place, site: &Site, bastion: &Bastion, fronts: &[Front]) {
    let ssh = place.path().join("home/.ssh");
    std::fs::create_dir_all(ssh.join("conf.d")).expect("a folder");
    let mut keys = known(bastion.address.port(), &bastion.dir.join("host_key"));
    let mut hosts = String::new();
    for (front, name) in fronts.iter().zip(["lee-esx1", "lee-bk1"]) {
        let port = front.address.port();
        keys += &known(port, &place.path().join(name).join("host_key"));
        write!(hosts, "Host {name}.leeds\n  Port {port}\n").expect("text");
    }
    std::fs::write(ssh.join("leeds_hosts"), keys).expect("known hosts");
    std::fs::write(ssh.join("conf.d/leeds.conf"), hosts).expect("a configuration");
    let config = format!(
        "Include conf.d/*.conf\n\
         Host *.leeds !nowhere.leeds\n  HostName 127.0.0.1\n  User {user}\n  ProxyJump {user}@gate\n\
         Host lee-bk1.leeds\n  ProxyJump none\n\
         Host gate\n  HostName 127.0.0.1\n  Port {port}\n\
         Host *\n  IdentityFile {key}\n  IdentitiesOnly yes\n  UserKnownHostsFile ~/.ssh/leeds_hosts\n",
        user = user(),
        port = bastion.address.port(),
        key = site.key().display(),
    );
    std::fs::write(ssh.join("config"), config).expect("a configuration");
}

#[test]
fn a_vm_is_restored_through_a_bastion_that_ssh_config_names() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "4MiB"]);
    let bastion = Bastion::start(place.path(), &site.key());
    let fronts = ["lee-esx1", "lee-bk1"]
        .map(|host| Front::start(place.path(), host, &Behind::host(&site, host)));
    write_ssh_config(&place, &site, &bastion, &fronts);
    let mut document = site.document();
    for host in ["lee-esx1", "lee-bk1"] {
        let entry = document["hosts"][host].as_mapping_mut().expect("a host");
        for key in ["user", "auth", "host_key"] {
            entry.remove(key);
        }
        entry.insert("address".into(), format!("{host}.leeds").into());
    }
    // What the runbook says itself wins: ssh's configuration has this alias without a user.
    document["hosts"]["lee-bk1"]["jump"] = vec![format!("{}@gate", user())].into();
    let runbook = place.path().join("behind.yaml");
    std::fs::write(&runbook, serde_yaml::to_string(&document).expect("YAML")).expect("a runbook");
    let (runbook, answers) = (runbook.to_string_lossy(), answers(&place, &real_answers()));
    let run = headless(&["run", &runbook, "--only", "sql01"], &answers);

    // A bastion that shows another key than the known one is refused by its own name.
    let list = place.path().join("home/.ssh/leeds_hosts");
    let right = std::fs::read_to_string(&list).expect("known hosts");
    let other = place.path().join("other");
    keygen(&other);
    let wrong = known(bastion.address.port(), &other);
    std::fs::write(&list, &wrong).expect("known hosts");
    let refused = place.run(&run, Duration::from_secs(120));
    refused.expect(4);
    let gate = format!("{}@gate showed the host key", user());
    assert!(refused.all().contains(&gate), "{}", refused.all());

    std::fs::write(&list, right).expect("known hosts");
    place
        .run(&headless(&["resume"], &answers), Duration::from_secs(200))
        .expect(0);
    let log = bastion.log();
    for front in &fronts {
        let line = format!("target 127.0.0.1 port {}", front.address.port());
        assert!(log.contains(&line), "{line}: {log}");
    }
    assert!(
        !bastion.dir.join("commanded").exists(),
        "a hop is sent no command"
    );
}
