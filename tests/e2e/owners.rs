//! London comes back alive in the middle of a failover, with a VM running that runs in Leeds by now:
//! nothing more is started, both copies are named, and one of them lives. After the run it happens
//! again: whoever watches the hosts until commit hears of it, and commit waits.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use lifeboat::host::{Credential, HostCommand, HostConfig, Hosts, Lane, Policy, Redactor};
use lifeboat::names::HostName;
use lifeboat::runbook::model::{Mode, SiteRole};
use lifeboat::sim::{Site, SiteOptions};
use tokio::runtime::Runtime;

use crate::program::{Place, headless, until, within};
use crate::site::{RUNBOOK, answers};
use crate::terminal::Terminal;

const LIMIT: Duration = Duration::from_secs(120);
const START: &str = "vmsvc/power.on";
const STOP: &str = "vmsvc/power.off";

/// Answers of a failover from a dark London; `more` goes to a step of its own.
fn from_the_dark(started: &[&str], more: &str) -> String {
    let mut text = String::from(
        "steps:\n  failover/declare/-/confirm: {by: alice, second: bob, signs: [power, network]}\n",
    );
    for vm in ["sql01", "app01", "web01"] {
        let fence = format!("{{by: alice, attest: the building burns, typed: {vm}{more}}}");
        text.push_str(&format!("  failover/recover/{vm}/fence: {fence}\n"));
    }
    for vm in started {
        text.push_str(&format!(
            "  failover/recover/{vm}/power_on: {{by: alice}}\n"
        ));
    }
    text
}

/// Does something with the old copy of sql01, past Lifeboat.
async fn in_london(site: &Site, deed: &str) {
    let name = HostName::from("lon-esx1");
    let endpoint = site.endpoint(&name).expect("an endpoint");
    let address = lifeboat::runbook::model::HostAddress {
        host: endpoint.address.ip().to_string(),
        port: endpoint.address.port(),
    };
    let config = HostConfig {
        driver: lifeboat::runbook::model::Driver::Esxi,
        auth: vec![Credential::Key(endpoint.key_file.clone())],
        host_keys: endpoint.host_keys.clone(),
        ..HostConfig::plain(name.clone(), address, endpoint.user.clone())
    };
    let hosts = Hosts::new(
        vec![config],
        Policy::for_mode(Mode::Failover),
        Redactor::new(),
    );
    let host = hosts.host(&name).expect("the host");
    let run = async |words: &[&str]| {
        let command = HostCommand::read(words.iter().copied());
        // London has just come back: its door may not be open yet.
        let until = Instant::now() + Duration::from_secs(60);
        let output = loop {
            match host.read(Lane::Control, &command).await {
                Ok(output) => break output,
                Err(error) => assert!(Instant::now() < until, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(output.status, 0, "{}", output.text());
        output.text().to_string()
    };
    let list = run(&["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("sql01.vmx"));
    let vmid = row.and_then(|row| row.split_whitespace().next());
    run(&["vim-cmd", deed, vmid.expect("a number")]).await;
    hosts.close().await;
}

/// A site whose London is dark, of this runbook.
struct Dark {
    runtime: Runtime,
    site: Site,
    runbook: PathBuf,
}

impl Dark {
    fn start(place: &Place, text: &str) -> Self {
        let loaded = lifeboat::runbook::load("runbook", text, &Default::default()).expect("valid");
        let options = SiteOptions {
            scale: 1 << 20,
            speed: 60.0,
            ..SiteOptions::new(place.path().join("site"))
        };
        let runtime = Runtime::new().expect("a runtime");
        let site = runtime
            .block_on(Site::start(&loaded.runbook, options))
            .expect("a site");
        let runbook = place.path().join("emitted.yaml");
        std::fs::write(&runbook, site.emit(text).expect("a runbook")).expect("written");
        site.go_dark(SiteRole::Protected);
        Self {
            runtime,
            site,
            runbook,
        }
    }
}

/// Whether a host runs sql01, as its own state tells.
fn runs(site: &Site, host: &str) -> bool {
    let log = site.command_log(&HostName::from(host));
    let state = log.parent().map(|dir| dir.join("state.json"));
    let text = std::fs::read(state.expect("a folder")).expect("the host's state");
    let state: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let vms = state["vms"].as_array().expect("VMs");
    vms.iter().any(|vm| {
        let path = vm["path"].as_str().unwrap_or_default();
        path.ends_with("sql01/sql01.vmx") && vm["on"].as_bool() == Some(true)
    })
}

/// Hosts that were silent are polled at intervals: one that comes back within the last of them is looked at
/// before the run ends.
#[test]
fn london_comes_back_alive_in_the_last_seconds_of_a_failover() {
    let place = Place::new();
    let text = std::fs::read_to_string(RUNBOOK).expect("the runbook");
    let last = "  - phase: Announce\n    steps:\n";
    let came = place.path().join("came-back");
    let held = format!(
        "{last}      - local: {{ sh: 'until [ -e {came} ]; do sleep 0.05; done', effect: read, verify: [test, -e, {came}] }}\n",
        came = came.display()
    );
    let text = text.replacen(last, &held, 1);
    let Dark {
        runtime,
        site,
        runbook,
    } = Dark::start(&place, &text);
    let path = answers(&place, &from_the_dark(&["sql01"], ""));
    let first = [
        "run",
        &*runbook.to_string_lossy(),
        "--only",
        "sql01",
        "--no-check",
    ];
    std::thread::scope(|scope| {
        let run = scope.spawn(|| place.run(&headless(&first, &path), LIMIT));
        let starts = "failover/announce/-/local";
        until(LIMIT, "the last step", || {
            let journal = place.newest_run().map(|run| run.join("journal.jsonl"));
            let said = journal.and_then(|path| std::fs::read_to_string(path).ok());
            said.is_some_and(|said| said.contains(starts))
        });
        site.come_back(SiteRole::Protected);
        runtime.block_on(in_london(&site, START));
        std::fs::write(&came, "").expect("the sign");
        let run = run.join().expect("its end");
        run.expect(4);
        assert!(run.all().contains("RECOVERY REQUIRED"), "{}", run.all());
    });
    assert!(place.journal_text().contains("\"split-brain\""));
    runtime.block_on(site.shutdown());
}

#[test]
fn london_comes_back_alive_in_the_middle_of_a_failover() {
    let place = Place::new();
    let text = std::fs::read_to_string(RUNBOOK).expect("the runbook");
    let Dark {
        runtime,
        site,
        runbook,
    } = Dark::start(&place, &text);

    // Nobody has said that app01 may start: sql01 runs, and the console leaves.
    let path = answers(&place, &from_the_dark(&["sql01"], ""));
    let first = ["run", &*runbook.to_string_lossy()];
    place.run(&headless(&first, &path), LIMIT).expect(4);
    assert!(runs(&site, "lee-esx1"));
    site.come_back(SiteRole::Protected);
    runtime.block_on(in_london(&site, START));
    assert!(runs(&site, "lon-esx1"), "it runs at both sites");

    look(&place, &path);

    // Without the choice no answer helps, and nothing else is started.
    let all = ["sql01", "app01", "web01"];
    let path = answers(&place, &from_the_dark(&all, ""));
    let resumed = place.run(&headless(&["resume"], &path), LIMIT);
    resumed.expect(4);
    assert!(resumed.all().contains("lives"), "{}", resumed.all());
    let said = place.journal_text();
    assert!(!started(&said, "app01"), "a start is held");
    let path = answers(&place, &from_the_dark(&all, ", lives: [Leeds]"));
    place.run(&headless(&["resume"], &path), LIMIT).expect(0);
    assert!(runs(&site, "lee-esx1") && !runs(&site, "lon-esx1"));
    let said = place.journal_text();
    assert!(started(&said, "web01") && said.contains("\"survivor-chosen\""));
    let report = std::fs::read_to_string(place.run_dir().join("report.md")).expect("a report");
    assert!(
        report.contains("Split brain: sql01 was seen running"),
        "{report}"
    );

    until_commit(&place, &async |deed| in_london(&site, deed).await, &runtime);
    runtime.block_on(site.shutdown());
}

/// Nothing is decided yet, and London starts sql01 once more.
fn until_commit(place: &Place, london: &impl AsyncFn(&str), runtime: &Runtime) {
    let run = place.run_dir();
    let run = run.file_name().expect("a name").to_string_lossy();
    let mut watching = Watching::begin(place, &["watch", &run, "--hosts"]);
    watching.hears("lee-esx1 answers; it runs sql01, app01, web01");
    watching.hears("lon-esx1 answers");
    runtime.block_on(london(START));
    watching.hears("RECOVERY REQUIRED (split brain): sql01 runs on lee-esx1 and on lon-esx1");
    watching.hears("kept in the run's journal");
    let commit = ["commit", &*run, "--headless", "--yes"];
    let refused = place.run(&commit, LIMIT);
    refused.expect(3);
    assert!(refused.all().contains("split brain"), "{}", refused.all());
    runtime.block_on(london(STOP));
    watching.hears("sql01 runs at one site again");
    watching.hears_so_often("kept in the run's journal", 2);
    place.run(&commit, LIMIT).expect(0);
    watching.hears("the run is committed");
    assert_eq!(watching.end(), Some(0));
    place.run(&["verify", &run], LIMIT).expect(0);
}

/// A watch of the hosts, and what it prints.
struct Watching {
    child: Child,
    said: PathBuf,
}

impl Watching {
    fn begin(place: &Place, words: &[&str]) -> Self {
        let said = place.path().join("said");
        let out = std::fs::File::create(&said).expect("a file");
        let child = place.command(words).stdout(out).spawn();
        Self {
            child: child.expect("lifeboat"),
            said,
        }
    }

    fn hears(&self, words: &str) {
        self.hears_so_often(words, 1);
    }

    fn hears_so_often(&self, words: &str, times: usize) {
        let mut said = String::new();
        let heard = || {
            said = std::fs::read_to_string(&self.said).expect("what it said");
            let unwrapped = said.split_whitespace().collect::<Vec<_>>().join(" ");
            (unwrapped.matches(words).count() >= times).then_some(())
        };
        assert!(within(LIMIT, heard).is_some(), "{words}: not in\n{said}");
    }

    fn end(&mut self) -> Option<i32> {
        let ended = within(LIMIT, || self.child.try_wait().expect("its status"));
        ended.expect("it watches on").code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a person sees on a small screen.
fn look(place: &Place, answers: &str) {
    let mut terminal = Terminal::open(place, &["resume", "--answers", answers], 80, 24);
    let named = "RECOVERY REQUIRED (split brain): sql01";
    terminal.wait_for(named, Duration::from_secs(60));
    terminal.wait_for("lon-esx1 ANSWERS AGAIN", Duration::from_secs(60));
    // The run was headless: whoever takes it up chooses a pace.
    terminal.press("p");
    terminal.wait_for("waits at gates and prompts only", Duration::from_secs(60));
    terminal.press_for(
        "a",
        "choose Leeds, and this copy is stopped",
        Duration::from_secs(60),
    );
    terminal.press("\x03\x03");
    assert_eq!(terminal.exit(Duration::from_secs(60)), 4);
    let runs = place.run(&["runs"], Duration::from_secs(60));
    assert!(
        runs.all().contains("recovery required (split brain)"),
        "{}",
        runs.all()
    );
}

fn started(journal: &str, vm: &str) -> bool {
    let fact = format!("\"fact\":\"powered-on\",\"vm\":\"{vm}\"");
    journal.contains(&fact)
}

impl Place {
    fn journal_text(&self) -> String {
        let path: &Path = &self.run_dir().join("journal.jsonl");
        std::fs::read_to_string(path).expect("the journal")
    }
}
