//! The drivers over real sessions: OpenSSH's sshd on loopback, with stand-ins for `vim-cmd` and
//! `esxcli` that print what a test wrote for their arguments.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::DriverFault;
use super::esxi::inventory::Inventory;
use super::esxi::process::RunningVm;
use super::esxi::storage::{Volume, Volumes};
use super::esxi::summary::VmSummary;
use super::esxi::version::Version;
use super::esxi::{Vmid, commands};
use super::shell::{
    Found, Sha256, TcpAnswer, TcpTool, Trace, entries, find, free_space, list, parse_free_space,
    sha256, tcp, trace,
};
use crate::host::tests::free_port;
use crate::host::{
    Credential, Host, HostCommand, HostConfig, HostError, Hosts, Lane, Output, Policy, Redactor,
};
use crate::runbook::model::{Driver, HostAddress, Mode, SiteRole};

/// A host that is asked over its control session.
struct Asked(Arc<Host>);

/// Why a read has no value: the host could not be asked, or its reply is not the value.
#[derive(Debug, PartialEq)]
enum Unread {
    Host(HostError),
    Reply(DriverFault),
}

impl Asked {
    async fn ask<T>(
        &self,
        command: &HostCommand,
        parse: impl FnOnce(&Output) -> Result<T, DriverFault>,
    ) -> Result<T, Unread> {
        let output = self.0.read(Lane::Control, command).await;
        parse(&output.map_err(Unread::Host)?).map_err(Unread::Reply)
    }

    async fn running(&self) -> Result<Vec<RunningVm>, Unread> {
        self.ask(&commands::running(), RunningVm::parse_all).await
    }
}

/// A host: its sshd, its programs and what they print. It ends with its test.
struct StandIn {
    sshd: Child,
    dir: TempDir,
    hosts: Hosts,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

impl StandIn {
    /// `None`, said aloud, where there is no sshd.
    fn start(driver: Driver) -> Option<(Self, Asked)> {
        if !Path::new("/usr/sbin/sshd").exists() {
            println!("SKIPPED: /usr/sbin/sshd is not installed (apt install openssh-server)");
            return None;
        }
        let _ = fs::create_dir_all("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().display().to_string();
        for name in ["host_key", "id"] {
            let path = dir.path().join(name);
            let args = ["-q", "-t", "ecdsa", "-N", "", "-f"];
            assert!(
                Command::new("ssh-keygen")
                    .args(args)
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        for program in ["vim-cmd", "esxcli", "vmkfstools", "vmware"] {
            let path = dir.path().join(program);
            let script = format!(
                "#!/bin/sh\ncd '{base}' && cat \"$(echo \"{program} $*\" | tr '/ ' '__')\"\n"
            );
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {base}/host_key\nAuthorizedKeysFile {base}/id.pub\n\
             StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nMaxStartups 50\n\
             SetEnv PATH={base}:/usr/bin:/bin HOME={base}\n"
        );
        fs::write(dir.path().join("config"), config).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(dir.path().join("config"))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let hosts = hosts(
            driver,
            port,
            dir.path().join("id"),
            &dir.path().join("host_key.pub"),
        );
        let stand_in = Self { sshd, dir, hosts };
        stand_in.await_banner(port);
        let host = stand_in.hosts.host(&"lee1".into()).unwrap();
        Some((stand_in, Asked(host)))
    }

    fn await_banner(&self, port: u16) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let mut banner = [0; 4];
            let socket = TcpStream::connect(("127.0.0.1", port));
            if socket.is_ok_and(|mut socket| socket.read_exact(&mut banner).is_ok()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!(
            "{}",
            fs::read_to_string(self.dir.path().join("log")).unwrap()
        );
    }

    /// What a program prints from now on when it is called like this.
    fn prints(&self, line: &str, text: &str) {
        fs::write(self.dir.path().join(line.replace(['/', ' '], "_")), text).unwrap();
    }
}

fn hosts(driver: Driver, port: u16, key: PathBuf, host_key: &Path) -> Hosts {
    let listed = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(host_key)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let address = HostAddress {
        host: "127.0.0.1".into(),
        port,
    };
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let config = HostConfig {
        role: SiteRole::Recovery,
        driver,
        auth: vec![Credential::Key(key)],
        host_keys: vec![listed.split(' ').nth(1).unwrap().to_owned()],
        ..HostConfig::plain("lee1".into(), address, user)
    };
    Hosts::new(
        vec![config],
        Policy::for_mode(Mode::Failover),
        Redactor::new(),
    )
}

fn volumes() -> Volumes {
    Volumes(vec![Volume {
        mount_point: "/vmfs/volumes/aaa-1".into(),
        label: "local1".into(),
        uuid: "aaa-1".into(),
        mounted: true,
        kind: "VMFS-6".into(),
        size: 2,
        free: 1,
    }])
}

fn summary(path: &str) -> String {
    format!(
        "Listsummary:\n\n(vim.vm.Summary) {{\n   runtime = (vim.vm.RuntimeInfo) {{\n      powerState = \"poweredOff\"\n   }}, \n   config = (vim.vm.Summary.ConfigSummary) {{\n      name = \"x\", \n      vmPathName = \"[local1] {path}\"\n   }}\n}}\n"
    )
}

const HEADING: &str = "Vmid   Name   File   Guest OS   Version   Annotation\n";

#[tokio::test]
async fn a_row_is_believed_only_with_its_summary() {
    let Some((host, esxi)) = StandIn::start(Driver::Esxi) else {
        return;
    };
    let forged = "7      sql01   [local1] sql01/sql01.vmx   otherGuest   vmx-13\n";
    let real = "9      sql01   [local1] sql01/sql01.vmx   otherGuest   vmx-13\n";
    host.prints(
        "vim-cmd vmsvc/getallvms",
        &format!("{HEADING}{forged}{real}"),
    );
    host.prints("vim-cmd vmsvc/get.summary 7", &summary("other/other.vmx"));
    host.prints("vim-cmd vmsvc/get.summary 9", &summary("sql01/sql01.vmx"));
    let volumes = volumes();
    let all = commands::getallvms();
    let inventory = || esxi.ask(&all, Inventory::parse);
    let summary_of = async |vmid| esxi.ask(&commands::summary(vmid), VmSummary::parse).await;
    for path in [
        "/vmfs/volumes/local1/sql01/sql01.vmx",
        "/vmfs/volumes/aaa-1/sql01/sql01.vmx",
    ] {
        let is_it = |claimed: &str| volumes.by_uuid(claimed) == volumes.by_uuid(path);
        let rows = inventory().await.unwrap().vms;
        let claims = rows.iter().filter(|row| is_it(&row.vmx_path()));
        let claims: Vec<Vmid> = claims.map(|row| row.vmid).collect();
        assert_eq!(claims, [Vmid(7), Vmid(9)], "the list alone cannot tell");
        let (forged, real) = (summary_of(Vmid(7)).await, summary_of(Vmid(9)).await);
        assert!(!is_it(&forged.unwrap().vmx_path()));
        let real = real.unwrap();
        assert!(is_it(&real.vmx_path()) && real.name == "x");
    }
    let gone = "(vim.fault.NotFound) {\n   msg = \"no such VM\"\n}\n";
    host.prints("vim-cmd vmsvc/get.summary 9", gone);
    let missing = summary_of(Vmid(9)).await;
    assert!(
        matches!(missing, Err(Unread::Reply(DriverFault::NotFound { .. }))),
        "{missing:?}"
    );
    host.prints(
        "vim-cmd vmsvc/getallvms",
        &format!("{HEADING}5      what   is this   x   vmx-13\n"),
    );
    let unproven = inventory().await.unwrap();
    assert!(unproven.vms.is_empty() && unproven.unread.len() == 1);
}

#[tokio::test]
async fn an_unreachable_hostd_is_told_from_an_unreachable_host() {
    let Some((mut host, esxi)) = StandIn::start(Driver::Esxi) else {
        return;
    };
    host.prints(
        "esxcli --formatter=csv vm process list",
        "Connect to localhost failed: Connection failure\n",
    );
    let down = esxi.running().await.unwrap_err();
    let Unread::Reply(down @ DriverFault::HostdDown { .. }) = &down else {
        panic!("{down:?}")
    };
    let fault = down.fault("listing the running VMs", "lee1", "nothing was changed");
    assert!(fault.passing && fault.next.contains("hostd"), "{fault}");
    host.prints("esxcli --formatter=csv vm process list", "");
    assert_eq!(esxi.running().await, Ok(Vec::new()));
    // No such program behaves like no such file here: no proof that nothing runs.
    fs::remove_file(host.dir.path().join("esxcli")).unwrap();
    let missing = esxi.running().await.unwrap_err();
    assert!(
        matches!(&missing, Unread::Reply(DriverFault::ToolMissing { .. })),
        "{missing:?}"
    );
    host.hosts.close().await;
    host.sshd.kill().unwrap();
    let error = esxi.running().await.unwrap_err();
    assert!(matches!(error, Unread::Host(_)), "{error:?}");
}

#[tokio::test]
async fn files_ports_and_processes_over_a_session() {
    let Some((host, posix)) = StandIn::start(Driver::Posix) else {
        return;
    };
    let file = host.dir.path().join("it's a \"file\"\n[1]");
    fs::write(&file, b"abc").unwrap();
    let (path, folder) = (file.to_str().unwrap(), host.dir.path().to_str().unwrap());
    let found = posix.ask(&find(path), Found::parse).await;
    assert!(matches!(found, Ok(Found::There(stat)) if stat.size == 3));
    let listed = posix.ask(&list(folder), entries).await.unwrap();
    assert!(
        listed
            .iter()
            .any(|entry| entry.text() == Some("it's a \"file\"\n[1]"))
    );
    let within = sha256(path).deadline(Duration::from_secs(20));
    let sum = posix.ask(&within, Sha256::parse).await.unwrap();
    assert_eq!(
        sum.hex,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let free = posix.ask(&free_space(folder), parse_free_space).await;
    assert!(free.unwrap() > 0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // By the first tool that this machine has.
    let mut answered = None;
    for tool in TcpTool::ALL {
        let command = tcp(tool, "127.0.0.1", port, 3);
        let answer = posix.ask(&command, |output| TcpAnswer::parse(tool, output));
        match answer.await {
            Err(Unread::Reply(DriverFault::ToolMissing { .. })) => {}
            answer => {
                answered = Some((tool, answer));
                break;
            }
        }
    }
    let (tool, answer) = answered.unwrap();
    assert_eq!(answer, Ok(TcpAnswer::Open), "{tool}");
    let nobody = HostCommand::write(["vim-cmd", "vmsvc/power.on", "3"]);
    let command = trace(Driver::Posix, std::process::id(), &nobody);
    let other = posix.ask(&command, Trace::parse).await.unwrap();
    assert!(matches!(other, Trace::Other { .. }), "{other:?}");
}

#[tokio::test]
async fn many_reads_at_once_are_all_answered() {
    let Some((host, esxi)) = StandIn::start(Driver::Esxi) else {
        return;
    };
    host.prints("vmware -v", "VMware ESXi 8.0.2 build-22380479\n");
    let esxi = Arc::new(esxi);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let esxi = Arc::clone(&esxi);
            tokio::spawn(async move { esxi.ask(&commands::version(), Version::parse).await })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().unwrap().version, "8.0.2");
    }
}
