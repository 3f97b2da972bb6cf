//! Backups that a tool prints: zcat, restic and borg as they are, on a host behind OpenSSH's server
//! and on this machine.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::site::{Journal, Site, put_vm, put_vm_of, quiet};
use crate::host::{Lane, Secret};
use crate::runbook::model::{BackupTool, Driver, PointChoice, Prints};
use crate::transfer::{
    Against, Folder, Item, Landing, Point, RunsOn, Stream, Sum, TransferError, choose, points,
};

const PASSWORD: &str = "correct horse battery";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn run(program: &str, args: &[&str], at: &Path, environment: &[(&str, &str)]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(at)
        .env("HOME", at)
        .envs(environment.iter().copied())
        .output();
    let Ok(output) = output else {
        println!("SKIPPED: {program} is not installed (apt install restic borgbackup)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The backup `tool` on `bk1`, with a password in its environment.
fn backup(site: &Site, tool: BackupTool, secret: Option<(&str, &str)>) -> Folder {
    let on = RunsOn::Host(site.host("bk1"), Lane::Transfer(1));
    let secrets = secret.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
    Folder::Stream(Stream::new(on, tool, secrets.into_iter().collect()))
}

/// The folder `packed/web01/20260102T030405Z` with every file of `here` packed by gzip.
fn pack(site: &Site, sums: bool) {
    let point = site.path("packed/web01/20260102T030405Z");
    std::fs::create_dir_all(&point).unwrap();
    let (mut list, mut recorded) = (String::new(), String::new());
    let mut add = |name: &str, bytes: &[u8]| {
        list.push_str(&format!("{} {name}\n", bytes.len()));
        std::fs::write(point.join(name), bytes).unwrap();
        run("gzip", &["-1", name], &point, &[]).unwrap();
    };
    for name in super::site::names(&site.path("here")) {
        let bytes = std::fs::read(site.path("here").join(&name)).unwrap();
        recorded.push_str(&format!("{}  {name}\n", Sum::of(&bytes)));
        add(&name, &bytes);
    }
    if sums {
        add("SHA256SUMS", recorded.as_bytes());
    }
    std::fs::write(point.join("FILES"), list).unwrap();
}

fn zcat(site: &Site) -> BackupTool {
    let base = site.path("packed");
    let word = |rest: &str| format!("{}/{rest}", base.display());
    BackupTool {
        prints: Prints::Lines,
        points: words(&["ls", &word("${vm}")]),
        files: words(&["cat", &word("${vm}/${point}/FILES")]),
        file: words(&["zcat", &word("${vm}/${point}/${file}.gz")]),
        environment: Vec::new(),
    }
}

/// The same, each file printed by a script instead, which gets its path as `$1`.
fn scripted(site: &Site, script: &str) -> BackupTool {
    let mut tool = zcat(site);
    tool.file = words(&["sh", "-c", script, "_", tool.file.last().unwrap()]);
    tool
}

async fn newest(backup: &Folder) -> Point {
    let points = points(backup, "web01").await.unwrap();
    choose(&points, &PointChoice::Latest).unwrap().point
}

fn fault(error: TransferError) -> crate::error::Fault {
    match error {
        TransferError::Failed(fault) => fault,
        TransferError::Corrupt(found) => found.fault,
        TransferError::Lost { .. } => panic!("lost"),
    }
}

/// Brings a point and compares everything that arrived with what was backed up.
async fn arrives_whole(site: &Site, backup: &Folder, point: &Point, against: Against) {
    let delivery = site.delivery(backup.join("web01"), Item::of(point, false), Landing::Fresh);
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    assert_eq!(landed.last().unwrap().name, "web01.vmx");
    for file in &landed {
        let bytes = std::fs::read(site.path("here").join(&file.name)).unwrap();
        assert_eq!(file.sum, Sum::of(&bytes), "{}", file.name);
        assert_eq!(file.against, against, "{}", file.name);
    }
    assert_eq!(site.arrived().len(), landed.len());
}

#[tokio::test]
async fn what_zcat_prints_arrives_whole_though_the_link_is_cut() {
    for recorded in [true, false] {
        arrives_over_a_link_that_is_cut(recorded).await;
    }
}

async fn arrives_over_a_link_that_is_cut(recorded: bool) {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm_of(&site.path("here"), 96);
    pack(&site, recorded);
    let backup = backup(&site, zcat(&site), None);
    let point = newest(&backup).await;
    assert_eq!(point.files.len(), 5, "{:?}", point.files);
    let delivery = site.delivery(
        backup.join("web01"),
        Item::of(&point, false),
        Landing::Fresh,
    );
    site.link.cut_every(3 << 20, 3);
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    let against = if recorded {
        Against::Recorded
    } else {
        Against::Source
    };
    assert!(landed.iter().all(|file| file.against == against));
    let same = |name: &str| {
        let read = |folder: &str| std::fs::read(site.path(folder).join(name)).unwrap();
        read("here") == read("target/vm")
    };
    assert!(landed.iter().all(|file| same(&file.name)));
    // 12 MiB of data in 96: holes are not sent, and of what arrived little is sent again.
    let passed = site.link.passed();
    assert!(passed < 20 << 20, "{passed} bytes");
}

#[tokio::test]
async fn without_recorded_sums_they_are_taken_while_reading() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    pack(&site, false);
    let runs = site.path("runs");
    let script = format!("echo $1 >> {}; exec zcat \"$1\"", runs.display());
    let backup = backup(&site, scripted(&site, &script), None);
    let point = newest(&backup).await;
    assert!(point.files.iter().all(|file| file.sum.is_none()));
    arrives_whole(&site, &backup, &point, Against::Source).await;
    let runs = std::fs::read_to_string(runs).unwrap();
    let of_the_disk = runs.lines().filter(|line| line.contains("-flat"));
    assert_eq!(of_the_disk.count(), 1, "the disk is read once: {runs}");
}

#[tokio::test]
async fn a_tool_of_this_machine_serves_as_well() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    pack(&site, true);
    let backup = Folder::Stream(Stream::new(RunsOn::Here, zcat(&site), Vec::new()));
    let point = newest(&backup).await;
    arrives_whole(&site, &backup, &point, Against::Recorded).await;
}

#[tokio::test]
async fn a_tool_that_fails_behind_its_last_byte_has_failed() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    pack(&site, true);
    let script =
        "zcat \"$1\"; case $1 in *-flat*) echo 'checksum of block 7 is wrong' >&2; exit 3;; esac";
    let tool = scripted(&site, script);
    for on in [
        RunsOn::Here,
        RunsOn::Host(site.host("bk1"), Lane::Transfer(1)),
    ] {
        let backup = Folder::Stream(Stream::new(on, tool.clone(), Vec::new()));
        let point = newest(&backup).await;
        let delivery = site.delivery(
            backup.join("web01"),
            Item::of(&point, false),
            Landing::Fresh,
        );
        let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
        let fault = fault(error);
        assert!(
            fault
                .what
                .contains("status 3: checksum of block 7 is wrong"),
            "{fault}"
        );
        let arrived = site.arrived();
        assert!(!arrived.contains(&"web01.vmx".to_owned()), "{arrived:?}");
        assert!(
            !arrived.contains(&"web01-flat.vmdk".to_owned()),
            "{arrived:?}"
        );
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

#[tokio::test]
async fn a_link_that_dies_behind_the_last_byte_has_the_tool_asked_again() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    pack(&site, false);
    let been = site.path("been");
    let script = format!(
        "zcat \"$1\"; case $1 in *-flat*) ;; *) exit 0;; esac
        if mkdir {} 2>/dev/null; then sleep 0.3; p=$$
        until case $(cat /proc/$p/comm) in sshd*) ;; *) false;; esac; do p=$(cut -d' ' -f4 /proc/$p/stat); done
        kill -9 $p; fi; echo 'checksum of block 7 is wrong' >&2; exit 3",
        been.display()
    );
    let backup = backup(&site, scripted(&site, &script), None);
    let point = newest(&backup).await;
    let delivery = site.delivery(
        backup.join("web01"),
        Item::of(&point, false),
        Landing::Fresh,
    );
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    let fault = fault(error);
    assert!(been.exists(), "the link did not die: {fault}");
    assert!(fault.what.contains("ended with status 3"), "{fault}");
    let arrived = site.arrived();
    assert!(
        !arrived.contains(&"web01-flat.vmdk".to_owned()),
        "{arrived:?}"
    );
}

#[tokio::test]
async fn what_nobody_reads_any_more_is_ended_on_the_host() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    pack(&site, true);
    let pid = site.path("pid");
    // Prints the beginning, and then stalls without writing.
    let script = format!(
        "case $1 in *-flat*) zcat \"$1\" | head -c 2000000; echo $$ > {}; exec sleep 1000;; *) exec zcat \"$1\";; esac",
        pid.display()
    );
    let backup = backup(&site, scripted(&site, &script), None);
    let point = newest(&backup).await;
    let delivery = site.delivery(
        backup.join("web01"),
        Item::of(&point, false),
        Landing::Fresh,
    );
    let bring = tokio::spawn(async move { delivery.bring(&Journal::new(), quiet()).await });
    let until = Instant::now() + Duration::from_secs(60);
    let pid = loop {
        assert!(Instant::now() < until, "the tool did not start");
        match std::fs::read_to_string(&pid) {
            Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let process = Path::new("/proc").join(&pid);
    assert!(process.exists());
    bring.abort();
    // Its session may be waiting for output just then, and the machine be busy.
    let until = Instant::now() + Duration::from_secs(60);
    while process.exists() {
        assert!(Instant::now() < until, "process {pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A restic repository with one snapshot of the VM in `here`, as `vms/web01`.
fn restic(site: &Site) -> Option<BackupTool> {
    let vms = site.path("vms");
    std::fs::create_dir(&vms).unwrap();
    std::fs::rename(site.path("here"), vms.join("web01")).unwrap();
    std::os::unix::fs::symlink(vms.join("web01"), site.path("here")).unwrap();
    let dir = site.dir.path();
    let password = [("RESTIC_PASSWORD", PASSWORD)];
    run("restic", &["-q", "-r", "repo", "init"], dir, &password)?;
    run(
        "restic",
        &["-q", "-r", "repo", "backup", "--tag", "web01", "vms"],
        dir,
        &password,
    )?;
    let repo = site.path("repo").display().to_string();
    Some(BackupTool::restic(&repo, "/vms/${vm}", Some("${vm}"), None))
}

#[tokio::test]
async fn restic_prints_a_snapshot_and_its_own_errors_are_shown() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    let Some(tool) = restic(&site) else { return };
    let with = |password| backup(&site, tool.clone(), Some(("RESTIC_PASSWORD", password)));

    let refused = points(&with("wrong"), "web01").await.unwrap_err();
    assert!(
        refused.what.contains("wrong password or no key found"),
        "{refused}"
    );
    assert!(refused.next.contains("password is wrong"), "{refused}");
    assert!(!refused.to_string().contains("Program"), "{refused}");

    let backup = with(PASSWORD);
    let point = newest(&backup).await;
    assert_eq!(point.files.len(), 5, "{:?}", point.files);
    arrives_whole(&site, &backup, &point, Against::Source).await;
    assert!(
        super::site::names(&site.path("repo/locks")).is_empty(),
        "reading locks nothing"
    );

    // Without its index nothing of the repository is found. (For a lost pack restic 0.14 says the
    // same after a minute of trying again.)
    std::fs::remove_dir_all(site.path("repo/index")).unwrap();
    std::fs::create_dir(site.path("repo/index")).unwrap();
    std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    let delivery = site.delivery(
        backup.join("web01"),
        Item::of(&point, false),
        Landing::Fresh,
    );
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    let fault = fault(error);
    assert!(fault.what.contains("restic --no-lock -r"), "{fault}");
    assert!(fault.what.contains("ended with status"), "{fault}");
    assert!(!site.arrived().contains(&"web01.vmx".to_owned()));
}

#[tokio::test]
async fn borg_prints_an_archive() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    put_vm(&site.path("here"));
    let dir = site.dir.path();
    let password = [("BORG_PASSPHRASE", PASSWORD)];
    let init = run("borg", &["init", "-e", "repokey", "attic"], dir, &password);
    if init.is_none() {
        return;
    }
    run(
        "borg",
        &["create", "attic::web01-1", "here"],
        dir,
        &password,
    );
    run(
        "borg",
        &["create", "attic::other-1", "here"],
        dir,
        &password,
    );
    let repository = site.path("attic").display().to_string();
    let tool = BackupTool::borg(&repository, "here", Some("${vm}-*"));
    let backup = backup(&site, tool, Some(("BORG_PASSPHRASE", PASSWORD)));
    let point = newest(&backup).await;
    assert_eq!(point.files.len(), 5, "{:?}", point.files);
    arrives_whole(&site, &backup, &point, Against::Source).await;
}
