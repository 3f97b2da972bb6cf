//! A run that is ended: rolled back from half-way, killed in the middle of it, and refused where it
//! must not be. The hosts' files and inventories are the evidence.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::kill::{intended, run_and_kill};
use crate::program::{Place, headless};
use crate::site::{Site, answers};
use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(60);

/// Everything on the datastores of a host, and what it says of its VMs.
pub fn contents(site: &Site, host: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    walk(&site.dir, &mut found);
    let of_host = |path: &PathBuf| path.components().any(|part| part.as_os_str() == host);
    let kept = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "volumes");
    found
        .into_iter()
        .filter(|path| of_host(path) && kept(path))
        .collect()
}

fn walk(dir: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        found.insert(entry.path());
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        }
    }
}

fn count(log: &[String], word: &str) -> usize {
    log.iter().filter(|line| line.contains(word)).count()
}

/// A failover in which nobody lets web01 start: the rest of it stands.
fn half_way() -> String {
    let mut text = String::from(
        "steps:\n  failover/declare/-/confirm: {by: alice, second: bob, signs: [power, network]}\n",
    );
    for vm in ["sql01", "app01", "web01"] {
        text.push_str(&format!(
            "  failover/recover/{vm}/fence: {{by: alice, typed: {vm}}}\n"
        ));
    }
    for vm in ["sql01", "app01"] {
        text.push_str(&format!(
            "  failover/recover/{vm}/power_on: {{by: alice}}\n"
        ));
    }
    text
}

fn taking_back() -> String {
    let mut text = half_way();
    for vm in ["sql01", "app01", "web01"] {
        for step in [
            "take-down/VM/stop",
            "take-down/VM/unregister",
            "bring-back/VM/power_on",
        ] {
            let step = step.replace("VM", vm);
            text.push_str(&format!("  rollback/{step}: {{by: alice}}\n"));
        }
        text.push_str(&format!(
            "  rollback/clear-away/{vm}/remove_files: {{by: alice, typed: {vm}}}\n"
        ));
    }
    text
}

#[test]
fn half_a_failover_is_rolled_back_through_kills_and_leaves_nothing() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "4MiB"]);
    let before = contents(&site, "lee-esx1");
    assert!(!before.is_empty());
    let given = answers(&place, &half_way());
    let runbook = site.runbook.to_string_lossy().into_owned();
    let run = headless(&["run", &runbook], &given);
    place.run(&run, Duration::from_secs(120)).expect(4);
    let id = place
        .run_dir()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    for refused in ["commit", "cleanup"] {
        let ran = place.run(&[refused, &id, "--headless", "--yes"], SOON);
        ran.expect(3);
        assert!(ran.all().contains("not finished"), "{}", ran.all());
    }

    let given = answers(&place, &taking_back());
    let back = headless(&["rollback", &id], &given);
    run_and_kill(&place, &back, |journal| {
        intended(journal, "vmsvc/unregister")
    });
    run_and_kill(&place, &back, |journal| {
        intended(journal, "rm -f \"$1\" || exit")
    });
    let ran = place.run(&back, Duration::from_secs(120));
    ran.expect(0);
    assert!(ran.all().contains("state: rolled back"), "{}", ran.all());

    assert_eq!(
        contents(&site, "lee-esx1"),
        before,
        "file for file as before"
    );
    let (here, home) = (site.work_log("lee-esx1"), site.work_log("lon-esx1"));
    assert_eq!(count(&here, "vmsvc/unregister"), 3);
    assert_eq!(
        count(&here, "vmsvc/power.shutdown"),
        2,
        "web01 was not started"
    );
    assert_eq!(count(&here, "portgroup remove"), 1);
    assert_eq!(
        count(&home, "vmsvc/power.on"),
        3,
        "each was stopped by the fence"
    );
    assert_eq!(
        count(&home, "update_autostartentry"),
        6,
        "taken away and put back"
    );
    let listed = place.run(&["runs"], SOON);
    assert!(listed.all().contains("rolled back"), "{}", listed.all());
    let again = place.run(&["rollback", &id, "--headless", "--yes"], SOON);
    again.expect(0);
    assert!(again.all().contains("nothing to do"), "{}", again.all());
    place.run(&["verify", &id], SOON).expect(0);
    let home = place.run(&["failback", &id, "--headless", "--yes"], SOON);
    home.expect(3);
    assert!(home.all().contains("was rolled back"), "{}", home.all());
}

#[test]
fn a_rollback_is_walked_step_by_step_in_a_terminal_and_gone_on_with_after_a_kill() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "4MiB"]);
    let given = answers(&place, &half_way());
    let runbook = site.runbook.to_string_lossy().into_owned();
    let run = headless(&["run", &runbook, "--only", "sql01"], &given);
    place.run(&run, Duration::from_secs(120)).expect(0);
    let id = place
        .run_dir()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();

    let mut terminal = Terminal::open(&place, &["rollback", &id], 80, 24);
    terminal.wait_for("ROLLBACK of FAILOVER", SOON);
    terminal.wait_for("power.shutdown", SOON);
    terminal.kill();
    let mut terminal = Terminal::open(&place, &["rollback", &id], 80, 24);
    terminal.wait_for("power.shutdown", SOON);
    let mut pressed = None;
    for next in [
        "stop sql01",
        "unregister sql01",
        "power_on sql01",
        "type: sql01",
    ] {
        press_until(&mut terminal, &mut pressed, next);
    }
    assert_eq!(count(&site.work_log("lon-esx1"), "vmsvc/power.on"), 1);
    terminal.press("sql01\r");
    press_until(&mut terminal, &mut pressed, "debrief");
    let listed = place.run(&["runs"], SOON);
    assert!(listed.all().contains("rolled back"), "{}", listed.all());
}

/// Enter shows the rest of a long card, then lets the step go on. It is pressed once on each part that
/// asks for it, which a disruptive card does after a second; `pressed` is the last one.
fn press_until(terminal: &mut Terminal, pressed: &mut Option<String>, what: &str) {
    let title = |text: &str| {
        let mut lines = text.lines();
        lines
            .find(|line| line.contains("[2] step"))
            .map(str::to_owned)
    };
    loop {
        let text = terminal.wait_until(what, SOON, |text| {
            let asks = text
                .lines()
                .last()
                .is_some_and(|keys| keys.contains("[Enter] "));
            text.contains(what) || (asks && title(text) != *pressed)
        });
        if text.contains(what) {
            return;
        }
        *pressed = title(&text);
        terminal.press("\r");
    }
}

/// The run that the last lines of a command offer to commit.
fn to_commit(said: &str) -> String {
    let offer = said.split("lifeboat commit ").nth(1).expect("an offer");
    offer.split_whitespace().next().expect("a run").to_owned()
}

/// What `check` finds on the way home of a run.
fn looked(place: &Place, run: &str, status: i32) -> serde_json::Value {
    let ran = place.run(&["check", run, "--failback", "--json"], SOON);
    ran.expect(status);
    serde_json::from_str(&ran.stdout).expect("one line of JSON")
}

/// The folder of a host's only datastore.
fn datastore(site: &Site, host: &str) -> PathBuf {
    let all = contents(site, host);
    let of_vm = all.iter().find(|path| path.ends_with("sql01/sql01.vmx"));
    let folder = of_vm.and_then(|file| file.parent()?.parent());
    folder.expect("a VM there").to_owned()
}

/// What people say to sql01's way out, its way home, and to taking that back.
const THERE_AND_BACK: &str = "steps:
  failover/declare/-/confirm: {by: alice, second: bob, signs: [power, network]}
  failover/recover/sql01/fence: {by: alice, typed: sql01}
  failover/recover/sql01/power_on: {by: alice}
  failback/agree/-/confirm: {by: alice, second: bob}
  failback/go-home/sql01/shut_down: {by: alice}
  failback/go-home/sql01/copy_back: {by: alice, typed: sql01}
  failback/go-home/sql01/power_on: {by: alice}
  failback/go-home/sql01/unregister: {by: alice}
  rollback/take-down/sql01/stop: {by: alice}
  rollback/bring-back/sql01/register: {by: alice}
  rollback/bring-back/sql01/power_on: {by: alice}
  rollback/clear-away/sql01/remove_files: {by: alice, typed: sql01}
";

#[test]
fn a_failback_is_committed_and_what_it_kept_is_deleted() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "1MiB"]);
    let given = answers(&place, THERE_AND_BACK);
    let runbook = site.runbook.to_string_lossy().into_owned();
    let act = |words: &[&str]| place.run(&headless(words, &given), Duration::from_secs(120));
    let there = act(&["run", &runbook, "--only", "sql01"]);
    there.expect(0);
    let over = to_commit(&there.all());
    let found = looked(&place, &over, 0);
    assert_eq!(found["way"], "failback");
    assert_eq!(found["vms"], serde_json::json!(["sql01"]));
    let lock = datastore(&site, "lee-esx1").join(".lifeboat-lock-sql01");
    std::fs::create_dir(&lock).expect("a lock");
    std::fs::write(lock.join("owner"), "somebody").expect("its owner");
    let found = looked(&place, &over, 1);
    assert_eq!(found["findings"][0]["key"], "vm/sql01/lock");
    assert_eq!(found["findings"][0]["where"], "lee-esx1");
    std::fs::remove_dir_all(&lock).expect("the lock goes");
    let back = act(&["failback", &over]);
    back.expect(0);
    let home = to_commit(&back.all());

    let kept = || {
        let files = contents(&site, "lon-esx1");
        let names = files.iter().map(|path| path.to_string_lossy().into_owned());
        names
            .filter(|name| name.ends_with("-original"))
            .collect::<Vec<_>>()
    };
    assert!(!kept().is_empty(), "copy_back keeps the disks of before");
    let served = site.work_log("lon-esx1").len();
    // Nobody agrees to it: it is left, and nothing of it was done.
    let plain = |words: &[&str]| place.run(words, SOON);
    plain(&["commit", &home, "--headless"]).expect(4);
    let refused = plain(&["rollback", &home, "--headless"]);
    refused.expect(4);
    assert!(refused.all().contains("--reason"), "{}", refused.all());
    let left = plain(&[
        "commit",
        &home,
        "--headless",
        "--leave",
        "--reason",
        "too early",
    ]);
    left.expect(0);
    assert!(left.all().contains("commit or roll back"), "{}", left.all());
    assert!(!kept().is_empty());
    let since = site.work_log("lon-esx1").split_off(served);
    let changes = |line: &&String| {
        ["rm ", "mv ", "power.", "unregister"]
            .iter()
            .any(|word| line.contains(word))
    };
    assert_eq!(since.iter().find(changes), None, "nothing of it was done");
    let committed = act(&["commit", &home]);
    committed.expect(0);
    assert!(
        committed.all().contains("state: committed"),
        "{}",
        committed.all()
    );
    assert_eq!(kept(), Vec::<String>::new());
    let log = site.work_log("lon-esx1");
    let touches = |line: &&String| line.contains("power.") || line.contains("unregister");
    assert_eq!(log[served..].iter().find(touches), None, "the VM serves on");
    for run in [&home, &over] {
        act(&["rollback", run]).expect(3);
    }
    let again = act(&["failback", &over]);
    again.expect(3);
    let by = format!("is home again, by failback {home}");
    assert!(again.all().contains(&by), "{}", again.all());
}

#[test]
fn a_failback_is_rolled_back_and_home_is_as_it_was() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "1MiB"]);
    let given = answers(&place, THERE_AND_BACK);
    let runbook = site.runbook.to_string_lossy().into_owned();
    let act = |words: &[&str]| {
        let line = headless(words, &given);
        place.run(&line, Duration::from_secs(120))
    };
    let at_home = || {
        let files = contents(&site, "lon-esx1");
        // A VM that runs has a swap file of the size of its memory, which is nobody's to keep.
        let of_vm = |path: &&PathBuf| {
            path.to_string_lossy().contains("/sql01/sql01")
                && path.extension().is_none_or(|kind| kind != "vswp")
        };
        let bytes = |path: &PathBuf| (path.clone(), std::fs::read(path).expect("a file"));
        files.iter().filter(of_vm).map(bytes).collect::<Vec<_>>()
    };
    let there = act(&["run", &runbook, "--only", "sql01"]);
    there.expect(0);
    let left = at_home();
    let over = to_commit(&there.all());
    let back = act(&["failback", &over]);
    back.expect(0);
    assert!(at_home() != left, "the failback changed it");
    let home = to_commit(&back.all());
    place.run(&["commit", &home, "--headless"], SOON).expect(4);
    act(&["rollback", &home]).expect(4);
    let rolled = act(&["rollback", &home, "--reason", "it serves wrong data"]);
    rolled.expect(0);
    let said = rolled.all();
    assert!(said.contains("state: rolled back\n"), "{said}");
    assert!(at_home() == left, "home is not as it was");
    // It runs over there again, and can be taken home another time.
    act(&["failback", &over]).expect(0);
    assert!(at_home() != left, "the second failback changed it");
}
