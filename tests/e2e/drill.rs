//! A drill beside production: nothing is asked of the protected site, nothing leads out of what it makes.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::ending::contents;
use crate::kill::{intended, run_and_kill};
use crate::practice::run_id;
use crate::program::{Place, headless};
use crate::site::{RUNBOOK, Site, answers};
use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(180);
const TERMS: &str = "drill: { abort: any alarm in production, limit: 1h, abort_key: bob }\n";

const MAKE_ROOM: &str = "  failover/make-room/-/free_capacity: {by: alice}\n";

/// The bundled runbook with expendable VMs in Leeds, which are shut down to free capacity.
fn with_spares(place: &Place) -> String {
    let text = std::fs::read_to_string(RUNBOOK).expect("the bundled runbook");
    let vms = "\nvms:\n  \"lab-*\": { recovery: { host: lee-esx1 }, role: expendable }\n";
    let phase = "\nfailover:\n  - phase: Make room\n    steps: [{ free_capacity: [\"lab-*\"] }]\n";
    let text = text
        .replacen("\nvms:\n", vms, 1)
        .replacen("\nfailover:\n", phase, 1);
    let path = place.path().join("with-spares.yaml");
    std::fs::write(&path, text).expect("a runbook");
    path.to_string_lossy().into_owned()
}

fn drill_answers(place: &Place, more: &str) -> String {
    let mut text = format!("{TERMS}steps:\n{more}");
    for vm in ["sql01", "app01", "web01"] {
        text.push_str(&format!(
            "  failover/recover/{vm}/power_on: {{by: alice}}\n"
        ));
    }
    answers(place, &text)
}

fn facts<'a>(journal: &'a [Value], fact: &str) -> Vec<&'a Value> {
    let found = journal.iter().filter(|line| line["event"] == "fact-found");
    found
        .map(|line| &line["data"])
        .filter(|data| data["fact"] == fact)
        .collect()
}

/// What a host was told to do.
fn orders(site: &Site, host: &str) -> Vec<String> {
    let words = [
        "registervm",
        "power.on",
        "power.off",
        "unregister",
        "vswitch standard",
        "autostart",
    ];
    let mut log = site.work_log(host);
    log.retain(|line| words.iter().any(|word| line.contains(word)) && !line.contains(" list"));
    log
}

/// Closes a drill that is cleaned: by its findings alone, and by nothing less.
fn state_findings(place: &Place, cleanup: &[&str]) {
    let unstated = place.run(cleanup, SOON);
    unstated.expect(1);
    for words in [
        "state: cleaned, findings not stated",
        "answer missing: drill.findings",
    ] {
        assert!(unstated.all().contains(words), "{}", unstated.all());
    }
    let finding = "{ text: the restore was slow, owner: ann, due: 2026-02-01 }";
    answers(place, &format!("drill: {{ findings: [{finding}] }}\n"));
    let closed = place.run(cleanup, SOON);
    closed.expect(0);
    let words = "state: closed, 1 finding";
    assert!(closed.all().contains(words), "{}", closed.all());
}

/// The drill is taken down, through a kill, but for its disks; before that nothing starts from them.
fn keep_disks(place: &Place, site: &Site, runbook: &str, answers: &str) {
    let run = run_id(place);
    let from = ["run", runbook, "--from-drill", &run, "--headless"];
    let early = place.run(&from, SOON);
    early.expect(3);
    let next = format!("lifeboat cleanup {run} --keep-disks");
    assert!(early.all().contains(&next), "{}", early.all());
    let unsaid = ["cleanup", &run, "--keep-disks", "--headless", "--yes"];
    place.run(&unsaid, SOON).expect(4);
    let words = [
        "cleanup",
        &run,
        "--keep-disks",
        "--reason",
        "London is dark",
    ];
    let keep = headless(&words, answers);
    run_and_kill(place, &keep, |journal| {
        intended(journal, "vmsvc/unregister")
    });
    let kept = place.run(&keep, LONG);
    kept.expect(0);
    let words = "state: cleanup due: 3 folders of disks are kept for going live";
    assert!(kept.all().contains(words), "{}", kept.all());
    let left = contents(site, "lee-esx1");
    let disk = |path: &&PathBuf| path.to_string_lossy().ends_with("sql01-flat.vmdk");
    assert!(left.iter().any(|path| disk(&path)), "{left:#?}");
}

/// sql01 fails over from the drill's disks, through a kill while it is restored; nothing else needs room.
fn go_live(place: &Place, site: &Site, drill: &str) {
    let mut document = site.document();
    let phases = document["failover"].as_sequence_mut().expect("phases");
    phases.retain(|phase| phase["phase"] != "Make room");
    let text = serde_yaml::to_string(&document).expect("YAML");
    let runbook = place.path().join("live.yaml");
    std::fs::write(&runbook, text).expect("a runbook");
    let runbook = runbook.to_string_lossy().into_owned();
    let steps = "steps:\n  failover/declare/-/confirm: {by: alice, second: bob, signs: [power, network]}\n  \
        failover/recover/sql01/fence: {by: alice, typed: sql01}\n  \
        failover/recover/sql01/power_on: {by: alice}\n";
    let answers = answers(place, steps);
    let words = ["run", &runbook, "--from-drill", drill, "--only", "sql01"];
    run_and_kill(place, &headless(&words, &answers), |journal| {
        intended(journal, "vmkfstools -i")
    });
    let live = run_id(place);
    // What it may yet need is not deleted without a word.
    let held = place.run(&["cleanup", drill, "--headless"], SOON);
    held.expect(4);
    let next = format!("go on with that first: lifeboat resume {live}");
    assert!(held.all().contains(&next), "{}", held.all());
    place
        .run(&headless(&["resume", &live], &answers), LONG)
        .expect(0);
    let journal = place.journal();
    assert_eq!(journal[0]["data"]["from_drill"]["run"], drill);
    let seeded = facts(&journal, "seeded");
    let placed = facts(&journal, "file-placed");
    let data = |fact: &&&Value| {
        fact["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("-flat.vmdk"))
    };
    assert_eq!(seeded.len(), placed.iter().filter(data).count());
    assert!(!seeded.is_empty());
    for disk in seeded {
        let (sent, bytes) = (&disk["sent"], &disk["bytes"]);
        let [sent, bytes] = [sent, bytes].map(|count| count.as_u64().expect("a count"));
        // How much differs grows with the time that the drill's guests had to write.
        assert!(sent < bytes, "{disk}");
    }
    let report = place.run(&["report", &live], SOON);
    let words = format!("The run started from the disks that drill `{drill}` had kept");
    assert!(report.stdout.contains(&words), "{}", report.stdout);
}

#[test]
fn a_drill_asks_nothing_of_the_protected_site_and_comes_up_kept_apart() {
    let place = Place::new();
    let source = with_spares(&place);
    let site = Site::of(&place, &source, &["--speed", "20", "--scale", "1MiB"]);
    let runbook = site.runbook.to_string_lossy().into_owned();
    let answers = drill_answers(&place, MAKE_ROOM);
    let before = contents(&site, "lee-esx1");
    let drill = headless(&["drill", &runbook], &answers);
    // Killed while a VM starts, it goes on at the places that it has.
    run_and_kill(&place, &drill, |journal| {
        !facts(journal, "isolation-seen").is_empty()
            && journal.iter().any(|line| {
                line["data"]["command"]
                    .as_str()
                    .is_some_and(|command| command.contains("power.on"))
            })
    });
    let resume = headless(&["resume"], &answers);
    place.run(&resume, LONG).expect(0);

    assert_eq!(site.command_log("lon-esx1"), Vec::<String>::new());
    let run = run_id(&place);
    let switch = format!("drill-{run}");
    let orders = orders(&site, "lee-esx1");
    let made = |what: &str| orders.iter().filter(|line| line.contains(what)).count();
    assert_eq!(made("vswitch standard add"), 1, "{orders:#?}");
    assert_eq!(made("portgroup add"), 1, "{orders:#?}");
    assert_eq!(made("uplink add"), 0, "{orders:#?}");
    assert_eq!(made("registervm"), 3, "{orders:#?}");
    assert_eq!(made("power.on"), 3, "{orders:#?}");
    let elsewhere = |line: &&String| line.contains("registervm") && !line.contains(&switch);
    assert_eq!(orders.iter().find(elsewhere), None);

    let journal = place.journal();
    assert_eq!(journal[0]["data"]["drill"]["abort_key"], "bob");
    assert_eq!(journal[0]["data"]["drill"]["limit_s"], 3_600);
    let started = facts(&journal, "powered-on").len();
    assert_eq!(started, 3);
    assert!(facts(&journal, "isolation-seen").len() >= 3);
    assert_eq!(facts(&journal, "rung-not-provable").len(), 3);
    assert!(facts(&journal, "ownership-evidence").is_empty());
    // What made room was asked to shut down, each once, and is off.
    assert_eq!(facts(&journal, "capacity-freed").len(), 2);
    let asked = site.work_log("lee-esx1");
    let asked = asked.iter().filter(|line| line.contains("power.shutdown"));
    assert_eq!(asked.count(), 2);
    let report = place.run(&["report", &run], SOON);
    for words in [
        "# DRILL",
        "was kept apart on lee-esx1",
        "Not provable in a drill",
    ] {
        assert!(report.stdout.contains(words), "{words}: {}", report.stdout);
    }
    place.run(&["verify", &run], SOON).expect(0);

    keep_disks(&place, &site, &runbook, &answers);
    let journal = place.journal();
    assert_eq!(site.command_log("lon-esx1"), Vec::<String>::new());
    go_live(&place, &site, &run);
    let cleanup = headless(&["cleanup", &run], &answers);
    place.run(&cleanup, LONG).expect(1);
    state_findings(&place, &cleanup);
    let live = |path: &PathBuf| path.ancestors().any(|part| part.ends_with("sql01"));
    let mut after = contents(&site, "lee-esx1");
    assert!(after.iter().any(live), "it lives");
    after.retain(|path| !live(path));
    assert_eq!(after, before, "file for file as before");
    let log = site.work_log("lee-esx1");
    let made = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!(made("vmsvc/unregister"), 3, "{log:#?}");
    assert_eq!(
        made("power.on"),
        3 + 2 + 1,
        "what made room runs again, and what is live: {log:#?}"
    );
    let again = |data: &&Value| {
        data["what"]
            .as_str()
            .is_some_and(|what| what.starts_with("lab-"))
    };
    assert_eq!(facts(&journal, "gone").into_iter().filter(again).count(), 2);
    assert_eq!(made(&format!("vswitch standard remove -v {switch}")), 1);
    place
        .run(&["cleanup", &run, "--headless", "--yes"], SOON)
        .expect(0);

    // What was drilled is compared with what is to be: of both, at the drill's places.
    assert_eq!(drilled(&place, &runbook), [""; 0]);
    let mut document = site.document();
    document["vms"]["sql01"]["rpo"] = "23h".into();
    let text = serde_yaml::to_string(&document).expect("YAML");
    let changed = place.path().join("changed.yaml");
    std::fs::write(&changed, text).expect("a runbook");
    let what =
        format!("the runbook was changed since its last drill, {run}: VM sql01 is different");
    assert_eq!(drilled(&place, &changed.to_string_lossy()), [what]);
}

/// What a look says of the runbook's drills.
fn drilled(place: &Place, runbook: &str) -> Vec<String> {
    let ran = place.run(&["check", runbook, "--json"], LONG);
    let looked: Value = serde_json::from_str(&ran.stdout).expect("one line of JSON");
    let found = looked["findings"].as_array().expect("findings").iter();
    let of_drills = found.filter(|finding| {
        let key = finding["key"].as_str();
        key.is_some_and(|key| key.starts_with("runbook/"))
    });
    of_drills
        .map(|finding| finding["what"].as_str().expect("words").to_owned())
        .collect()
}

#[test]
fn one_key_ends_a_drill_and_it_is_not_gone_on_with() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "64KiB"]);
    let runbook = site.runbook.to_string_lossy().into_owned();
    let answers = drill_answers(&place, "");
    let args = ["drill", &runbook, "--answers", &answers];
    let mut terminal = Terminal::open(&place, &args, 80, 24);
    terminal.wait_for("What ends the drill early?", SOON);
    // One for each field of the form.
    terminal.press("\r\r\r\r");
    terminal.wait_for("m left", SOON);
    let text = terminal.wait_for("[x] abort", SOON);
    assert!(text.contains("DRILL"), "{text}");
    terminal.press("x");
    terminal.wait_for("Why does it end?", SOON);
    terminal.press("the pager of production rings");
    terminal.press_for("\r", "state: ", SOON);
    assert_eq!(terminal.exit(SOON), 1);
    let journal = place.journal();
    let aborted = journal.iter().find(|line| line["event"] == "drill-aborted");
    let why = &aborted.expect("the abort")["data"]["why"];
    assert_eq!(why, "the pager of production rings");
    let run = run_id(&place);
    let resumed = place.run(&["resume", &run, "--headless"], SOON);
    resumed.expect(3);
    let next = format!("lifeboat cleanup {run}");
    assert!(resumed.all().contains(&next), "{}", resumed.all());
    assert!(place.run(&["runs"], SOON).stdout.contains("cleanup due"));
    assert_eq!(site.command_log("lon-esx1"), Vec::<String>::new());

    // That it was cleaned up makes it no good one.
    let cleanup = headless(&["cleanup", &run], &answers);
    place.run(&cleanup, LONG).expect(1);
    // What the run itself shows is proposed.
    let mut terminal = Terminal::open(&place, &["cleanup", &run], 80, 24);
    terminal.wait_for("the pager of production rings", SOON);
    terminal.press("\r");
    terminal.wait_for("Who mends it?", SOON);
    terminal.press("ann\r2026-02-01\r");
    terminal.wait_for("Another finding", SOON);
    terminal.press("none\r");
    assert_eq!(terminal.exit(SOON), 0);
    let stated = place.journal().pop().expect("the statement");
    assert_eq!(stated["data"]["findings"][0]["owner"], "ann");
    assert_eq!(
        drilled(&place, &runbook),
        ["no drill of this runbook has ended well on this console"]
    );
}
