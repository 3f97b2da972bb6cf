//! Two consoles that want one VM: on two machines (two state folders, one site), and on one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::kill::real_answers;
use crate::practice::run_id;
use crate::program::{Place, finish, headless, until};
use crate::site::{Site, answers};

/// Locks of VMs that lie on any datastore of a site.
pub fn locks(site: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(site).into_iter().flatten().flatten() {
        let path = entry.path();
        // Datastores are entered by their folders alone, not by their labels.
        if path.is_symlink() || !path.is_dir() {
            continue;
        }
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(".lifeboat-lock-")
        {
            found.push(path.to_string_lossy().into_owned());
        } else {
            found.extend(locks(&path));
        }
    }
    found
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

/// Starts a run and stops its process, as a hung console, when it has locked sql01.
fn hung_with_a_lock(place: &Place, args: &[&str]) -> Child {
    let mut child = place
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("lifeboat");
    let is_locked = |journal: &[serde_json::Value]| {
        let op = journal.iter().find_map(|line| {
            let command = line["data"]["command"].as_str()?;
            let locks = command.contains(".lifeboat-lock-sql01");
            locks.then(|| line["data"]["op"].clone())
        });
        let ends = |op: &serde_json::Value| {
            let of_op = |line: &&serde_json::Value| {
                line["event"] == "write-finished" && line["data"]["op"] == *op
            };
            journal
                .iter()
                .find(of_op)
                .is_some_and(|line| line["data"]["exit"] == 0)
        };
        op.is_some_and(|op| ends(&op))
    };
    until(Duration::from_secs(60), "sql01 is not locked", || {
        let is_locked = is_locked(&place.journal());
        assert!(
            is_locked || child.try_wait().expect("its status").is_none(),
            "it ended"
        );
        is_locked
    });
    signal(&child, "-STOP");
    child
}

#[test]
fn the_second_console_is_refused_and_goes_on_when_the_lock_of_a_dead_one_is_broken() {
    let (first, second) = (Place::new(), Place::new());
    let site = Site::start(&first, &["--speed", "20", "--scale", "4MiB"]);
    let runbook = site.runbook.to_string_lossy().into_owned();
    let given = answers(&first, &real_answers());
    let act = ["--headless", "--yes", "--only", "sql01", "--answers"];
    let run = [&["run", &runbook][..], &act[..], &[&given]].concat();
    let mut hung = hung_with_a_lock(&first, &run);
    let holder = run_id(&first);
    assert_eq!(locks(&site.dir).len(), 1, "its lock is on a datastore");

    // On the same machine the run itself is held; looking on is always possible.
    let refused = first.run(&["resume", &holder, "--headless"], Duration::from_secs(60));
    refused.expect(3);
    assert!(
        refused.all().contains("held by another console"),
        "{}",
        refused.all()
    );
    assert!(
        refused.all().contains("lifeboat watch"),
        "{}",
        refused.all()
    );
    let watch = ["watch", &holder, "--headless"];
    let watching = first.command(&watch);
    let watching =
        std::thread::spawn(move || finish(watching, &["watch"], Duration::from_secs(90)));

    // On another machine the VM is.
    let limit = Duration::from_secs(60);
    let own = answers(&second, &real_answers());
    let run = [&["run", &runbook][..], &act[..], &[&own]].concat();
    let refused = second.run(&run, limit);
    refused.expect(4);
    assert!(
        refused.stdout.contains(&format!("held by run {holder}")),
        "{}",
        refused.stdout
    );
    let writes = |place: &Place| {
        let journal = place.journal();
        journal
            .iter()
            .filter(|line| line["event"] == "write-intended")
            .count()
    };
    assert_eq!(writes(&second), 0, "nothing was sent");

    hung.kill().expect("kill -9");
    hung.wait().expect("its end");
    let seen = watching.join().expect("the watcher");
    seen.expect(4);
    assert!(
        seen.stdout.contains("nobody holds it: lifeboat resume"),
        "{}",
        seen.stdout
    );

    // The holder's id and a reason, for whichever step stands before the lock.
    let breaks = ["fence", "restore"].map(|verb| {
        let what = format!("{{by: bob, typed: {holder}, attest: its console burnt}}");
        format!("  failover/recover/sql01/{verb}: {what}\n")
    });
    let breaking = real_answers()
        .lines()
        .filter(|line| !line.contains("sql01/fence"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    answers(&second, &format!("{breaking}{}", breaks.concat()));
    let resume = headless(&["resume"], &own);
    let broken = second.run(&resume, limit);
    assert!(
        broken.stdout.contains("broken, held by run "),
        "{}",
        broken.all()
    );
    answers(&second, &real_answers());
    second.run(&resume, Duration::from_secs(120)).expect(0);

    let report = second.run(&["report", &run_id(&second)], limit);
    let head: String = report.stdout.lines().take(40).collect();
    assert!(
        head.contains("Another run's lock was broken") && head.contains("its console burnt"),
        "{}",
        report.stdout
    );
    assert_eq!(locks(&site.dir), Vec::<String>::new());

    // The first one finds itself without a VM, and nothing to do that is not done.
    let back = first.run(&headless(&["resume"], &given), limit);
    assert!(matches!(back.status, Some(0 | 1 | 4)), "{}", back.all());
    let verified = first.run(&["verify", &holder], limit);
    verified.expect(0);
}

#[test]
fn a_finished_run_can_be_watched_to_its_end() {
    let place = Place::new();
    let args = [
        "practice",
        "--headless",
        "--yes",
        "--speed",
        "20",
        "--scale",
        "1MiB",
        "--only",
        "sql01",
    ];
    place.run(&args, Duration::from_secs(120)).expect(0);
    let seen = place.run(
        &["watch", &run_id(&place), "--headless"],
        Duration::from_secs(60),
    );
    seen.expect(0);
    assert!(seen.stdout.contains("is finished"), "{}", seen.stdout);
    assert!(seen.stdout.contains("sql01 serves"), "{}", seen.stdout);
    let unknown = place.run(&["watch", "nothing", "--headless"], Duration::from_secs(60));
    unknown.expect(2);
}
