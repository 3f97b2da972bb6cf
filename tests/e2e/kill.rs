//! kill -9 of the console in the middle of things; resume; the hosts' command logs are the evidence.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::program::{Place, headless, until};
use crate::site::{Site, answers};

/// Starts a headless run and kills it as soon as `when` sees the journal it waits for.
pub fn run_and_kill(place: &Place, args: &[&str], when: impl Fn(&[serde_json::Value]) -> bool) {
    let said = place.path().join("killed.txt");
    let file = std::fs::File::create(&said).expect("a file for what it says");
    let mut child = place
        .command(args)
        .stdout(file.try_clone().expect("the same file"))
        .stderr(file)
        .spawn()
        .expect("lifeboat");
    let limit = Duration::from_secs(90);
    let mut journal = Growing::default();
    until(limit, "the moment to kill does not come", || {
        let ended = child.try_wait().expect("its status");
        let has_come = when(journal.of(place));
        if let Some(status) = ended.filter(|_| !has_come) {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            panic!("it ended before the kill, with {status}:\n{said}");
        }
        has_come
    });
    child.kill().expect("kill -9");
    child.wait().expect("its end");
}

/// The newest run's journal, of which only what is new is read: a kill must not come late.
#[derive(Default)]
struct Growing {
    path: Option<PathBuf>,
    read: usize,
    lines: Vec<serde_json::Value>,
}

impl Growing {
    fn of(&mut self, place: &Place) -> &[serde_json::Value] {
        let path = place.newest_run().map(|dir| dir.join("journal.jsonl"));
        if self.path != path {
            // Another run began.
            *self = Self {
                path: path.clone(),
                ..Self::default()
            };
        }
        let text = path
            .and_then(|path| std::fs::read(path).ok())
            .unwrap_or_default();
        let new = text.get(self.read..).unwrap_or_default();
        let whole = new.iter().rposition(|byte| *byte == b'\n');
        let new = &new[..whole.map_or(0, |end| end + 1)];
        let lines = new.split_inclusive(|byte| *byte == b'\n');
        self.lines
            .extend(lines.map(|line| serde_json::from_slice(line).expect("a JSON line")));
        self.read += new.len();
        &self.lines
    }
}

pub fn intended(journal: &[serde_json::Value], word: &str) -> bool {
    journal.iter().any(|line| {
        line["event"] == "write-intended"
            && line["data"]["command"]
                .as_str()
                .is_some_and(|command| command.contains(word))
    })
}

/// How often each mutating command reached the host.
fn mutations(log: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in log {
        let once = [
            "solo/registervm",
            "power.on",
            "vmsvc/unregister",
            "portgroup add",
        ];
        if once.iter().any(|word| line.contains(word)) {
            *counts.entry(line.clone()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn killed_in_a_restore_and_in_a_power_on_it_goes_on_and_sends_nothing_twice() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "16MiB"]);
    let answers = answers(&place, &real_answers());
    let runbook = site.runbook.to_string_lossy().into_owned();
    let run = headless(&["run", &runbook], &answers);
    run_and_kill(&place, &run, |journal| intended(journal, "-flat.vmdk"));
    let resume = headless(&["resume"], &answers);
    run_and_kill(&place, &resume, |journal| intended(journal, "power.on"));
    let ran = place.run(&resume, Duration::from_secs(120));
    ran.expect(0);
    for (command, times) in mutations(&site.command_log("lee-esx1")) {
        assert_eq!(times, 1, "sent {times} times: {command}");
    }
    place
        .run(
            &["verify", &crate::practice::run_id(&place)],
            Duration::from_secs(60),
        )
        .expect(0);
}

/// London answers and its VMs run: each fence wants the VM's name, each power-on its entry.
pub fn real_answers() -> String {
    let mut text = String::from("steps:\n");
    text.push_str(
        "  failover/declare/-/confirm: {by: alice, second: bob, signs: [power, network]}\n",
    );
    for vm in ["sql01", "app01", "web01"] {
        text.push_str(&format!(
            "  failover/recover/{vm}/fence: {{by: alice, typed: {vm}}}\n"
        ));
        text.push_str(&format!(
            "  failover/recover/{vm}/power_on: {{by: alice}}\n"
        ));
    }
    text.push_str("  failback/agree/-/confirm: {by: alice, second: bob}\n");
    for vm in ["sql01", "app01", "web01"] {
        text.push_str(&format!(
            "  failback/go-home/{vm}/shut_down: {{by: alice}}\n"
        ));
        text.push_str(&format!(
            "  failback/go-home/{vm}/copy_back: {{by: alice, typed: {vm}}}\n"
        ));
        text.push_str(&format!(
            "  failback/go-home/{vm}/power_on: {{by: alice}}\n"
        ));
        text.push_str(&format!(
            "  failback/go-home/{vm}/unregister: {{by: alice}}\n"
        ));
    }
    text
}
