//! The same runbook against OpenSSH's server: its forced command hands each line to the simulated
//! site, so logins, host keys, exec, sftp, rekeying and broken links are those of a server that is
//! not ours.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lifeboat::sim::Endpoint;

use crate::cable::Cable;
use crate::ending::contents;
use crate::kill::real_answers;
use crate::program::{Place, headless, until};
use crate::site::{Site, answers};

const SSHD: &str = "/usr/sbin/sshd";
const HOSTS: [&str; 3] = ["lon-esx1", "lee-esx1", "lee-bk1"];

/// A simulated host as an sshd in front of it reaches it.
pub struct Behind {
    address: SocketAddr,
    user: String,
    key: PathBuf,
}

impl Behind {
    pub fn of(endpoint: &Endpoint) -> Self {
        Self {
            address: endpoint.address,
            user: endpoint.user.clone(),
            key: endpoint.key_file.clone(),
        }
    }

    pub fn host(site: &Site, name: &str) -> Self {
        Self {
            address: site.address(name),
            user: site.user(name),
            key: site.key(),
        }
    }
}

/// One sshd in front of one simulated host, and the connection that its commands share.
pub struct Front {
    sshd: Child,
    shared: Child,
    pub address: SocketAddr,
    pub fingerprint: String,
}

impl Front {
    pub fn start(dir: &Path, name: &str, behind: &Behind) -> Self {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir).expect("a folder");
        let host_key = dir.join("host_key");
        keygen(&host_key);
        let public = std::process::Command::new("ssh-keygen")
            .args(["-y", "-f"])
            .arg(&behind.key)
            .output()
            .expect("ssh-keygen");
        std::fs::write(dir.join("authorized_keys"), public.stdout).expect("authorized keys");
        let shared = share(behind, &dir.join("shared"));
        let forced = dir.join("forced");
        std::fs::write(&forced, forced_command(behind, &dir.join("shared")))
            .expect("the forced command");
        make_executable(&forced);
        let address = free_port();
        let config = dir.join("sshd_config");
        std::fs::write(&config, sshd_config(&dir, address)).expect("its configuration");
        let sshd = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).expect("a log"))
            .spawn()
            .expect("sshd");
        let limit = Duration::from_secs(60);
        until(limit, "sshd does not listen", || {
            TcpStream::connect(address).is_ok()
        });
        let fingerprint = fingerprint(&host_key);
        Self {
            sshd,
            shared,
            address,
            fingerprint,
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        for child in [&mut self.sshd, &mut self.shared] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn free_port() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), crate::ports::free_port())
}

pub fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ecdsa", "-N", "", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen");
    assert!(made.success());
}

fn fingerprint(key: &Path) -> String {
    let shown = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(key)
        .output()
        .expect("ssh-keygen");
    let line = String::from_utf8_lossy(&shown.stdout).into_owned();
    line.split_whitespace()
        .nth(1)
        .expect("a fingerprint")
        .to_owned()
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

/// A connection to the host that stays: without it each command would cost a login of its own.
fn share(behind: &Behind, socket: &Path) -> Child {
    let shared = Command::new("sh")
        .arg("-c")
        .arg(format!("exec {} -MN", ssh(behind, socket)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ssh");
    let limit = Duration::from_secs(60);
    until(limit, "there is no connection to share", || socket.exists());
    shared
}

/// OpenSSH's client to the host. It logs in itself where the shared connection is gone.
fn ssh(behind: &Behind, socket: &Path) -> String {
    format!(
        "ssh -F none -q -i '{}' -S '{}' -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -p {} {}@{}",
        behind.key.display(),
        socket.display(),
        behind.address.port(),
        behind.user,
        behind.address.ip()
    )
}

fn forced_command(behind: &Behind, socket: &Path) -> String {
    let ssh = ssh(behind, socket);
    format!(
        "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n\
         *sftp*server*|internal-sftp) exec {ssh} -s sftp;;\n\
         *) exec {ssh} -- \"$SSH_ORIGINAL_COMMAND\";;\nesac\n"
    )
}

fn sshd_config(dir: &Path, address: SocketAddr) -> String {
    let dir = dir.display();
    // A home without start files: those of this machine's user may be slow.
    format!(
        "ListenAddress {}\nPort {}\nHostKey {dir}/host_key\nPidFile none\n\
         AuthorizedKeysFile {dir}/authorized_keys\nForceCommand {dir}/forced\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n\
         PermitRootLogin yes\nStrictModes no\nSetEnv HOME={dir}\nRekeyLimit 4M\nMaxStartups 10:30:100\n\
         Subsystem sftp /usr/lib/openssh/sftp-server\n",
        address.ip(),
        address.port()
    )
}

/// The emitted runbook, pointed at the fronts.
pub fn rewrite(site: &Site, place: &Place, fronts: &[(&str, SocketAddr, &str)]) -> PathBuf {
    let mut document = site.document();
    for (host, address, fingerprint) in fronts {
        document["hosts"][*host]["address"] = address.to_string().into();
        document["hosts"][*host]["host_key"] = (*fingerprint).into();
        // Whoever runs the tests is the only user that this sshd can let in.
        document["hosts"][*host]["user"] = user().into();
    }
    let path = place.path().join("front.yaml");
    std::fs::write(&path, serde_yaml::to_string(&document).expect("YAML")).expect("a runbook");
    path
}

pub fn user() -> String {
    let shown = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&shown.stdout).trim().to_owned()
}

pub fn is_here() -> bool {
    let here = Path::new(SSHD).exists();
    if !here {
        eprintln!("SKIPPED: {SSHD} is not installed");
    }
    here
}

/// A site whose every host is reached through an sshd; the recovery host also through a cable.
struct Fronted {
    _fronts: Vec<Front>,
    cable: Cable,
    runbook: String,
}

impl Fronted {
    fn of(site: &Site, place: &Place) -> Self {
        let fronts: Vec<Front> = HOSTS
            .iter()
            .map(|host| Front::start(place.path(), host, &Behind::host(site, host)))
            .collect();
        let cable = Cable::to(fronts[1].address);
        let at = [fronts[0].address, cable.address, fronts[2].address];
        let named: Vec<(&str, SocketAddr, &str)> = HOSTS
            .iter()
            .zip(at)
            .zip(&fronts)
            .map(|((host, address), front)| (*host, address, front.fingerprint.as_str()))
            .collect();
        let runbook = rewrite(site, place, &named).to_string_lossy().into_owned();
        Self {
            _fronts: fronts,
            cable,
            runbook,
        }
    }
}

#[test]
fn failover_and_failback_through_openssh_with_the_link_cut_in_between() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "8MiB"]);
    let Fronted { cable, runbook, .. } = &Fronted::of(&site, &place);
    let answers = answers(&place, &real_answers());
    cable.cut_after(3 << 20);
    // Each command has a second way to go here, so one VM of the three walks it.
    let run = headless(&["run", runbook, "--only", "sql01"], &answers);
    place.run(&run, Duration::from_secs(200)).expect(0);
    assert!(!cable.is_armed(), "the link was cut");
    let journal = place.journal();
    assert!(
        journal.iter().any(|line| line["event"] == "write-lost"),
        "and a write was lost"
    );
    let parent = crate::practice::run_id(&place);
    let failback = headless(&["failback", &parent, "--only", "sql01"], &answers);
    place.run(&failback, Duration::from_secs(200)).expect(0);
    let serves = place
        .journal()
        .iter()
        .filter(|line| line["data"]["fact"] == "serves")
        .count();
    assert_eq!(serves, 1, "it serves in London again");
}

/// How a run ends, with the link cut in the middle of it: what it leaves is what was there before.
#[test]
fn a_drill_and_a_failover_leave_nothing_through_openssh_with_the_link_cut() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "4MiB"]);
    let Fronted { cable, runbook, .. } = &Fronted::of(&site, &place);
    let before = contents(&site, "lee-esx1");
    let given = answers(
        &place,
        "drill: { abort: any alarm, limit: 1h, abort_key: bob, findings: none }
steps:
  failover/declare/-/confirm: {by: alice, second: bob, signs: [power, network]}
  failover/recover/sql01/fence: {by: alice, typed: sql01}
  failover/recover/sql01/power_on: {by: alice}
  rollback/take-down/sql01/stop: {by: alice}
  rollback/take-down/sql01/unregister: {by: alice}
  rollback/bring-back/sql01/power_on: {by: alice}
  rollback/clear-away/sql01/remove_files: {by: alice, typed: sql01}
",
    );
    for (begins, ends, state) in [
        ("drill", "cleanup", "closed, no findings"),
        ("run", "rollback", "rolled back"),
    ] {
        let act = |words: &[&str], cut: u64| {
            let line = headless(words, &given);
            cable.cut_after(cut);
            let ran = place.run(&line, Duration::from_secs(200));
            ran.expect(0);
            assert!(!cable.is_armed(), "the link was cut in {words:?}");
            ran
        };
        let began = act(&[begins, runbook, "--only", "sql01"], 2 << 20);
        let run = run_in(&began.all());
        let ended = act(&[ends, &run], 24 << 10);
        let said = format!("state: {state}");
        assert!(ended.all().contains(&said), "{}", ended.all());
        assert_eq!(contents(&site, "lee-esx1"), before, "after the {ends}");
        if begins == "drill" {
            assert_eq!(site.command_log("lon-esx1"), Vec::<String>::new());
        }
        place
            .run(&["verify", &run], Duration::from_secs(60))
            .expect(0);
    }
    let home = site.work_log("lon-esx1");
    let started = home.iter().filter(|line| line.contains("power.on"));
    assert_eq!(started.count(), 1, "and London runs it again");
}

/// The run whose report the last lines name.
fn run_in(said: &str) -> String {
    let path = said.split("report: ").nth(1).expect("a report");
    let folder = Path::new(path.lines().next().expect("a path")).parent();
    let name = folder.and_then(Path::file_name).expect("a run");
    name.to_string_lossy().into_owned()
}

#[test]
fn a_changed_host_key_is_refused_with_both_fingerprints() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "1MiB"]);
    let front = Front::start(place.path(), "lee-esx1", &Behind::host(&site, "lee-esx1"));
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let runbook = rewrite(&site, &place, &[("lee-esx1", front.address, other)]);
    let answers = answers(&place, &real_answers());
    let ran = place.run(
        &headless(&["run", &runbook.to_string_lossy()], &answers),
        Duration::from_secs(120),
    );
    ran.expect(4);
    assert!(ran.all().contains(&front.fingerprint), "{}", ran.all());
    assert!(ran.all().contains(other), "{}", ran.all());
}
