//! The programs of OpenSSH, where they are installed.

use std::process::{Command, Output, Stdio};

use super::support::TestSite;
use crate::sim::Endpoint;

fn installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("-V")
        .stdin(Stdio::null())
        .output()
        .is_ok();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

fn options(endpoint: &Endpoint) -> Vec<String> {
    let option = |text: &str| ["-o".to_owned(), text.to_owned()];
    [
        option("BatchMode=yes"),
        option("StrictHostKeyChecking=no"),
        option("UserKnownHostsFile=/dev/null"),
        option("GlobalKnownHostsFile=/dev/null"),
        option("IdentitiesOnly=yes"),
        option("LogLevel=ERROR"),
        option(&format!("IdentityFile={}", endpoint.key_file.display())),
    ]
    .into_iter()
    .flatten()
    .chain(["-F".to_owned(), "/dev/null".to_owned()])
    .collect()
}

fn run(program: &str, args: &[String]) -> Output {
    Command::new("timeout")
        .arg("30")
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_runs_a_command() {
    if !installed("ssh") {
        return;
    }
    let site = TestSite::start().await;
    for host in ["lee-esx1", "lee-bk1"] {
        let endpoint = site.endpoint(host);
        let mut args = options(endpoint);
        args.extend(["-p".into(), endpoint.address.port().to_string()]);
        args.push(format!("{}@127.0.0.1", endpoint.user));
        args.push("echo out; echo err >&2; exit 5".into());
        let ran = run("ssh", &args);
        assert_eq!(ran.status.code(), Some(5), "{ran:?}");
        assert_eq!(
            (ran.stdout.as_slice(), ran.stderr.as_slice()),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scp_both_protocols_and_sftp_move_files() {
    if !installed("scp") || !installed("sftp") {
        return;
    }
    let site = TestSite::start().await;
    let endpoint = site.endpoint("lee-esx1");
    let here = tempfile::tempdir().unwrap();
    let data = crate::sim::seed::Draw::new(5, "file").bytes(400_000);
    let up = here.path().join("up.bin");
    std::fs::write(&up, &data).unwrap();
    for legacy in [false, true] {
        let mut base = options(endpoint);
        base.extend(["-P".into(), endpoint.address.port().to_string()]);
        if legacy {
            base.push("-O".into());
        }
        let remote = format!("root@127.0.0.1:/tmp/f{legacy}.bin");
        let back = here.path().join(format!("back{legacy}.bin"));
        let sent = run(
            "scp",
            &[base.clone(), vec![up.display().to_string(), remote.clone()]].concat(),
        );
        assert!(sent.status.success(), "legacy {legacy}: {sent:?}");
        let got = run(
            "scp",
            &[base, vec![remote, back.display().to_string()]].concat(),
        );
        assert!(got.status.success(), "legacy {legacy}: {got:?}");
        assert!(std::fs::read(&back).unwrap() == data, "legacy {legacy}");
    }
    let batch = here.path().join("batch");
    std::fs::write(
        &batch,
        "cd /tmp\nls -l ffalse.bin\nrename ffalse.bin moved.bin\nmkdir d\nrm moved.bin\n",
    )
    .unwrap();
    let mut args = options(endpoint);
    args.extend([
        "-P".into(),
        endpoint.address.port().to_string(),
        "-b".into(),
        batch.display().to_string(),
    ]);
    args.push("root@127.0.0.1".into());
    let ran = run("sftp", &args);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(site.client("lee-esx1").run("ls /tmp").out, "d\nftrue.bin\n");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_in_mid_transfer_do_not_stop_openssh() {
    if !installed("ssh") || !installed("scp") {
        return;
    }
    let site = TestSite::start_with(|options| options.rekey_bytes = Some(1 << 20)).await;
    let endpoint = site.endpoint("lee-esx1");
    let mut args = options(endpoint);
    args.extend([
        "-p".into(),
        endpoint.address.port().to_string(),
        "root@127.0.0.1".into(),
    ]);
    args.push("dd if=/dev/zero bs=1M count=5 2>/dev/null".into());
    let ran = run("ssh", &args);
    assert!(
        ran.status.success(),
        "{} {:?}",
        String::from_utf8_lossy(&ran.stderr),
        ran.status
    );
    assert_eq!(ran.stdout.len(), 5 << 20);

    // And upwards.
    let data = crate::sim::seed::Draw::new(3, "noise").bytes(5 << 20);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big");
    std::fs::write(&file, &data).unwrap();
    let mut args = options(endpoint);
    args.extend([
        "-P".into(),
        endpoint.address.port().to_string(),
        file.display().to_string(),
        "root@127.0.0.1:/tmp/big".into(),
    ]);
    let ran = run("scp", &args);
    assert!(ran.status.success(), "{ran:?}");
    let arrived = std::fs::read(site.root("lee-esx1").join("tmp/big")).unwrap();
    assert!(arrived == data, "the bytes changed on the way");
    site.stop().await;
}
