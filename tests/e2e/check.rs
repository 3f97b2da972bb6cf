//! `lifeboat check` against a site that is ready, and against planted faults: each is found, named,
//! and comes with a next move; nothing is ever changed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::openssh::{Behind, Front, is_here, rewrite};
use crate::program::Place;
use crate::site::Site;

const LIMIT: Duration = Duration::from_secs(120);

fn site(place: &Place) -> Site {
    Site::start(place, &["--speed", "20", "--scale", "4MiB"])
}

/// What a look found, by key.
struct Looked {
    line: Value,
    findings: BTreeMap<String, Value>,
}

impl Looked {
    fn at(place: &Place, runbook: &Path, status: i32) -> Self {
        let runbook = runbook.to_string_lossy();
        let ran = place.run(&["check", &runbook, "--json"], LIMIT);
        ran.expect(status);
        Self::of(serde_json::from_str(&ran.stdout).expect("one line of JSON"))
    }

    fn of(line: Value) -> Self {
        let found = line["findings"].as_array().expect("findings").iter();
        let findings = found
            .map(|finding| {
                let key = finding["key"].as_str().expect("a key").to_owned();
                (key, finding.clone())
            })
            .collect();
        Self { line, findings }
    }

    /// The finding under a key, which must have a next move.
    #[track_caller]
    fn finding(&self, key: &str, severity: &str) -> &Value {
        let keys: Vec<&String> = self.findings.keys().collect();
        let Some(found) = self.findings.get(key) else {
            panic!("no {key} among {keys:?}")
        };
        assert_eq!(found["severity"], severity, "{found}");
        assert_ne!(found["next"], "", "{found}");
        found
    }

    #[track_caller]
    fn says(&self, key: &str, severity: &str, words: &str) {
        let found = self.finding(key, severity);
        let what = found["what"].as_str().unwrap_or_default();
        assert!(what.contains(words), "{found}");
    }
}

/// Every file of the site but its logs, with its length; what a read could never change.
fn files(dir: &Path, found: &mut BTreeMap<PathBuf, u64>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        let facts = path.symlink_metadata().expect("its facts");
        if facts.is_dir() {
            found.insert(path.clone(), 0);
            files(&path, found);
        } else if path
            .file_name()
            .is_some_and(|name| name != "commands.jsonl")
        {
            found.insert(path, facts.len());
        }
    }
}

/// A folder of a simulated host.
fn folder(site: &Site, host: &str, path: &str) -> PathBuf {
    let sites = site.dir.join("sites");
    let mut all = std::fs::read_dir(sites).expect("sites").flatten();
    let site = all.next().expect("a site").path();
    site.join("site/hosts").join(host).join("root").join(path)
}

/// The newest restore point of a VM.
fn newest_point(site: &Site, vm: &str) -> PathBuf {
    let points = folder(site, "lee-bk1", &format!("backup/nightly/{vm}"));
    let entries = std::fs::read_dir(points).expect("points").flatten();
    entries.map(|entry| entry.path()).max().expect("a point")
}

fn break_newest(site: &Site, vm: &str) {
    let disk = newest_point(site, vm).join(format!("{vm}-flat.vmdk"));
    let file = std::fs::File::options().write(true).open(disk);
    file.expect("a disk").set_len(100).expect("it is cut");
}

/// Makes the disk of a restore point larger than any datastore; it has holes, so it takes no room here.
fn grow(point: &Path, vm: &str, bytes: u64) {
    let flat = point.join(format!("{vm}-flat.vmdk"));
    let file = std::fs::File::options().write(true).open(flat);
    file.expect("a disk").set_len(bytes).expect("it grows");
    let name = format!("{vm}.vmdk");
    let text = std::fs::read_to_string(point.join(&name)).expect("a descriptor");
    let lines = text.lines().map(|line| match line.split_once(" VMFS ") {
        Some((_, file)) => format!("RW {} VMFS {file}\n", bytes / 512),
        None => format!("{line}\n"),
    });
    let grown: String = lines.collect();
    std::fs::write(point.join(&name), &grown).expect("a descriptor");
    let sum = Sha256::digest(grown.as_bytes());
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let sums = std::fs::read_to_string(point.join("SHA256SUMS")).expect("sums");
    let lines = sums
        .lines()
        .map(|line| match line.ends_with(&format!(" {name}")) {
            true => format!("{sum}  {name}\n"),
            false => format!("{line}\n"),
        });
    let sums: String = lines.collect();
    std::fs::write(point.join("SHA256SUMS"), sums).expect("sums");
}

fn write(place: &Place, name: &str, document: &serde_yaml::Value) -> PathBuf {
    let path = place.path().join(name);
    let text = serde_yaml::to_string(document).expect("YAML");
    std::fs::write(&path, text).expect("a runbook");
    path
}

#[test]
fn a_site_that_is_ready_is_said_to_be_and_left_as_it_was() {
    let place = Place::new();
    let site = site(&place);
    let mut before = BTreeMap::new();
    files(&site.dir, &mut before);

    let looked = Looked::at(&place, &site.runbook, 0);
    assert_eq!(looked.line["ready"], true);
    let answers = looked.line["hosts"].as_array().expect("hosts").iter();
    assert!(answers.clone().all(|host| host["answers"] == true));
    assert_eq!(answers.count(), 3);
    for point in looked.line["points"].as_array().expect("points") {
        assert_eq!(point["grade"], "within", "{point}");
    }
    looked.finding("runbook/drill", "note");

    let runbook = site.runbook.to_string_lossy();
    let ran = place.run(&["check", &runbook], LIMIT);
    ran.expect(0);
    assert!(
        ran.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("\nready: "), "{}", ran.stdout);
    assert!(!ran.all().contains('\x1b'), "{}", ran.all());

    let mut after = BTreeMap::new();
    files(&site.dir, &mut after);
    assert_eq!(before, after, "a check changes nothing");
    let asked = site.command_log("lee-esx1");
    assert!(asked.len() > 10, "{asked:?}");
}

#[test]
fn planted_faults_are_found_and_named() {
    let place = Place::new();
    let site = site(&place);
    let (_refuses, port) = crate::ports::refusing_port();
    let dead = format!("127.0.0.1:{port}");
    let mut document = site.document();
    document["hosts"]["lon-esx1"]["address"] = dead.into();
    document["vms"]["sql01"]["rpo"] = "1m".into();
    document["vms"]["app01"]["recovery"]["datastore"] = "local9".into();
    let switch = &mut document["networks"]["production"]["leeds"]["vswitch"];
    *switch = "vSwitch7".into();
    let runbook = write(&place, "planted.yaml", &document);
    break_newest(&site, "web01");
    let store = folder(&site, "lee-esx1", "vmfs/volumes/local1");
    std::fs::create_dir(store.join("sql01")).expect("a folder");
    std::fs::write(store.join("sql01/theirs.vmx"), "x").expect("a file");
    std::fs::create_dir(store.join("drill-20260102-030405-abcd-sql01")).expect("a folder");

    let looked = Looked::at(&place, &runbook, 1);
    assert_eq!(looked.line["ready"], false);
    looked.says("host/lon-esx1/reach", "warning", "refused the connection");
    looked.says(
        "vm/web01/newer-points",
        "warning",
        "shorter than its descriptor",
    );
    looked.says("vm/sql01/age", "warning", " old");
    looked.says("store/lee-esx1/local9/there", "blocker", "there are local1");
    looked.says("vm/sql01/folder", "blocker", "theirs.vmx");
    looked.says(
        "host/lee-esx1/drill",
        "warning",
        "drill-20260102-030405-abcd-sql01",
    );
    let group = looked
        .findings
        .keys()
        .find(|key| key.starts_with("network/"));
    looked.says(
        group.expect("a network"),
        "blocker",
        "no virtual switch vSwitch7",
    );

    // A selection is judged by what concerns it.
    let runbook = runbook.to_string_lossy();
    let ran = place.run(&["check", &runbook, "--json", "--only", "web01"], LIMIT);
    let looked = Looked::of(serde_json::from_str(&ran.stdout).expect("JSON"));
    assert!(
        !looked
            .findings
            .keys()
            .any(|key| key.contains("sql01") && key.starts_with("vm/"))
    );
}

#[test]
fn a_full_datastore_is_found_before_the_restore_that_would_fill_it() {
    let place = Place::new();
    let site = site(&place);
    grow(&newest_point(&site, "sql01"), "sql01", 4 << 40);
    let mut document = site.document();
    document["vms"]["sql01"]["recovery"]["disk"] = "eagerzeroedthick".into();
    let runbook = write(&place, "full.yaml", &document);
    let looked = Looked::at(&place, &runbook, 1);
    let found = looked.finding("store/lee-esx1/local1/room", "blocker");
    let next = found["next"].as_str().unwrap_or_default();
    assert!(next.starts_with("free "), "{found}");
    assert_eq!(found["vms"].as_array().map(Vec::len), Some(3), "{found}");
}

#[test]
fn a_changed_key_and_a_host_that_hangs_hold_up_nobody_else() {
    let place = Place::new();
    let site = site(&place);
    let mut document = site.document();
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    document["hosts"]["lee-bk1"]["host_key"] = other.into();
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its address").to_string();
    document["hosts"]["lon-esx1"]["address"] = address.into();
    let runbook = write(&place, "changed.yaml", &document);
    let looked = Looked::at(&place, &runbook, 1);
    looked.says("host/lee-bk1/reach", "blocker", "the host key changed");
    let found = looked.finding("host/lee-bk1/reach", "blocker");
    assert_eq!(found["vms"].as_array().map(Vec::len), Some(3), "{found}");
    looked.finding("host/lon-esx1/reach", "warning");
    assert_eq!(looked.line["hosts"][1]["product"], "VMware ESXi 8.0.2");
    assert!(
        looked.line["took_ms"].as_u64().unwrap_or(u64::MAX) < 60_000,
        "{}",
        looked.line
    );
}

#[test]
fn a_watch_tells_what_changed_and_nothing_else() {
    let place = Place::new();
    let site = site(&place);
    let runbook = site.runbook.to_string_lossy();
    let mut child = place
        .command(&["check", &runbook, "--json", "--watch", "10s"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a watch");
    let out = child.stdout.take().expect("its output");
    let (told, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
    });
    let next = || {
        let line = lines.recv_timeout(LIMIT).expect("a line");
        serde_json::from_str::<Value>(&line).expect("JSON")
    };
    assert_eq!(next()["ready"], true);
    break_newest(&site, "app01");
    let changed = next();
    let changes = changed["changes"].as_array().expect("changes");
    let keys: Vec<(&Value, &Value)> = changes
        .iter()
        .map(|change| (&change["change"], &change["finding"]["key"]))
        .collect();
    assert!(
        keys.contains(&(&"new".into(), &"vm/app01/newer-points".into())),
        "{keys:?}"
    );
    assert!(
        !keys.iter().any(|(_, key)| **key == "runbook/drill"),
        "what stayed is not told again: {keys:?}"
    );
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("its end").code(), Some(1));
}

#[test]
fn a_site_behind_openssh_is_looked_at_the_same_way() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let site = site(&place);
    let hosts = ["lon-esx1", "lee-esx1", "lee-bk1"];
    let fronts: Vec<Front> = hosts
        .iter()
        .map(|host| Front::start(place.path(), host, &Behind::host(&site, host)))
        .collect();
    let named: Vec<(&str, SocketAddr, &str)> = hosts
        .iter()
        .zip(&fronts)
        .map(|(host, front)| (*host, front.address, front.fingerprint.as_str()))
        .collect();
    let runbook = rewrite(&site, &place, &named);
    let looked = Looked::at(&place, &runbook, 0);
    assert_eq!(looked.line["ready"], true);

    break_newest(&site, "sql01");
    let mut document = site.document();
    for (host, address, _) in &named {
        document["hosts"][*host]["address"] = address.to_string().into();
        document["hosts"][*host]["user"] = crate::openssh::user().into();
    }
    // The keys that are pinned are still those of the servers behind.
    let runbook = write(&place, "changed.yaml", &document);
    let looked = Looked::at(&place, &runbook, 1);
    for host in hosts {
        let severity = if host == "lon-esx1" {
            "warning"
        } else {
            "blocker"
        };
        looked.says(
            &format!("host/{host}/reach"),
            severity,
            "the host key changed",
        );
    }
    let runbook = rewrite(&site, &place, &named);
    let looked = Looked::at(&place, &runbook, 1);
    looked.says(
        "vm/sql01/newer-points",
        "warning",
        "shorter than its descriptor",
    );
}

#[test]
fn a_run_looks_first_and_its_journal_keeps_what_was_found() {
    let place = Place::new();
    let site = site(&place);
    let mut document = site.document();
    document["vms"]["app01"]["recovery"]["datastore"] = "local9".into();
    let runbook = write(&place, "planted.yaml", &document);
    let runbook = runbook.to_string_lossy();
    let args = [
        "run",
        &runbook,
        "--headless",
        "--yes",
        "--set",
        "ticket=INC000001",
    ];
    let remarks = |place: &Place| {
        let events = place.journal().into_iter();
        let notes = events.filter(|event| event["event"] == "note-added");
        notes
            .map(|note| note["data"]["text"].to_string())
            .collect::<Vec<_>>()
    };
    // Nobody answers its first question.
    let ran = place.run(&args, LIMIT);
    ran.expect(4);
    assert!(
        ran.stdout
            .contains("before the start: NOT READY: 1 blocker"),
        "{}",
        ran.stdout
    );
    let kept = remarks(&place);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].contains("there is no datastore local9"), "{kept:?}");

    let other = Place::new();
    let mut args = args.to_vec();
    args.push("--no-check");
    let ran = other.run(&args, LIMIT);
    ran.expect(4);
    assert!(!ran.stdout.contains("before the start"), "{}", ran.stdout);
    assert_eq!(remarks(&other), [""; 0]);
}
