//! `check`, `wait`, `hand_off`, `power_off` and what a prompt looks at against the simulated site.

use super::world::{World, consent};
use super::{RUNBOOK, lines, needed};
use crate::engine::{Answer, Entry, Fact, Performed, Prompt, RunEvent, Verdict};
use crate::host::{HostCommand, Lane};

/// The bundled runbook with these steps, once, as its way out.
async fn world(steps: &str) -> World {
    world_of(RUNBOOK, steps).await
}

async fn world_of(runbook: &str, steps: &str) -> World {
    let (sites, _) = runbook.split_once("\nfailover:\n").unwrap();
    let phases = format!("failover:\n  - phase: Look\n    steps:\n{steps}");
    World::with(&format!("{sites}\n{phases}")).await
}

fn failure(performed: Performed) -> String {
    match performed {
        Performed::Failed(fault) => format!("{} / {} / {}", fault.what, fault.state, fault.next),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_check_tells_everything_that_it_saw_and_fails_by_one() {
    let looks = "      - check:
          - { vm: sql01, site: london, power: on }
          - { vm: sql01, site: london, tools: true }
          - { vm: app01, site: leeds, power: off }
          - { tcp: lee-bk1 }
          - { host: lee-bk1, argv: [echo, \"lag: 3 s\"], at_most: 5 }
          - { compare: [{ host: lee-bk1, argv: [echo, a] }, { host: lee-bk1, argv: [printf, a] }] }
          - { point: { vm: sql01, age: 30d } }
          - { vm: web01, site: london, power: off }
          - { tcp: \"127.0.0.2:1\" }
          - { host: lee-bk1, argv: [cat, /no/such/file] }
";
    // The first step without the last three, which are not as expected.
    let cut = looks.find("          - { vm: web01").unwrap();
    let world = world(&format!("{}{looks}", &looks[..cut])).await;
    let first = "look/-/check";
    let shown = world.probe(first).await;
    let proposal = needed(&shown);
    assert_eq!(lines(proposal)[0], "echo 'lag: 3 s'");
    assert!(proposal.commands.iter().all(|command| !command.write));
    let seen = world.go(first).await;
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert_eq!(seen[0], "sql01 runs in london: power state on on lon-esx1");
    assert!(seen[2].contains("not registered"), "{seen:?}");
    assert!(seen[3].ends_with("(asked by the console)"), "{seen:?}");
    assert!(seen[4].ends_with("at most 5: lag: 3 s"), "{seen:?}");
    let second = "look/-/check.2";
    world.probe(second).await;
    let why = failure(world.perform(second).await);
    assert!(
        why.starts_with("3 of 10 checks failed: web01 does not run"),
        "{why}"
    );
    assert!(why.contains("No such file"), "{why}");
    assert!(why.contains("as expected: sql01 runs"), "{why}");
    assert_eq!(world.all_writes(), 0);
    world.end().await;
}

#[tokio::test]
async fn a_vm_is_protected_again_by_a_point_that_was_taken_since_it_moved() {
    let world = world(
        "      - check: { point: { vm: sql01, in: nightly, since: move } }
      - confirm: Is it protected?
        ask:
          again: { check: Is that so?, probe: { point: { vm: sql01, in: nightly, since: move } } }
",
    )
    .await;
    let id = "look/-/check";
    world.probe(id).await;
    let why = failure(world.perform(id).await);
    assert!(why.contains("this run has not moved it"), "{why}");
    let (vm, host) = ("sql01".into(), "lee-esx1".into());
    let moved = Entry {
        seq: 1,
        at: jiff::Timestamp::now() - jiff::SignedDuration::from_secs(5),
        step: Some("failover/recover/sql01/power_on".into()),
        attempt: None,
        event: RunEvent::FactFound(Fact::PoweredOn { vm, host }),
    };
    world.keeper.state.lock().unwrap().apply(&moved);
    let why = failure(world.perform(id).await);
    assert!(why.contains("the newest in nightly, was taken"), "{why}");
    assert!(why.contains("before it moved at"), "{why}");

    // A backup is taken of the VM where it runs now.
    let points = world.on("lee-bk1", "/backup/nightly/sql01");
    let named = std::fs::read_dir(&points).unwrap();
    let newest = named.map(|entry| entry.unwrap().path()).max().unwrap();
    let taken = points.join(
        jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string(),
    );
    std::fs::rename(newest, taken).unwrap();
    let again = |fact: &Fact| matches!(fact, Fact::ProtectedAgain { .. });
    world.probe("look/-/confirm").await;
    assert!(!world.facts().iter().any(again), "nobody has answered yet");
    world.go("look/-/confirm").await;
    assert!(world.facts().iter().any(again));
    let seen = world.go(id).await;
    assert!(
        seen[0].contains("in nightly was taken since it moved"),
        "{seen:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn points_of_files_are_no_vms_and_an_output_that_was_cut_is_not_judged() {
    let world = world(
        "      - check:
          - { point: { vm: web01, age: 30d } }
          - { host: lee-bk1, argv: [cat, /tmp/long] }
          - { host: lee-bk1, argv: [cat, /tmp/long], matches: \"^ok\" }
          - { compare: [{ host: lee-bk1, argv: [cat, /tmp/long] }, { host: lee-bk1, argv: [cat, /tmp/long] }] }
      - restore_files:
          vm: web01
          host: lee-bk1
          quiesced: its writers were stopped
          argv: [rsync, -a, \"${point}/\", /tmp/web01/]
          verify: [test, -s, /tmp/web01/data.db]
",
    )
    .await;
    let long = format!("ok\n{}", "x".repeat(HostCommand::MAX_OUTPUT));
    std::fs::write(world.on("lee-bk1", "/tmp/long"), long).unwrap();
    let id = "look/-/check";
    world.probe(id).await;
    let why = failure(world.perform(id).await);
    assert!(why.starts_with("2 of 4 checks failed: cat"), "{why}");
    assert!(why.contains("it printed more than the 4.0 MiB"), "{why}");
    assert!(why.contains("restore point of web01"), "{why}");
    world.go("look/web01/restore_files").await;
    world.end().await;
}

#[tokio::test]
async fn a_prompt_looks_first_and_asks_nobody_about_what_is_not_so() {
    let world = world(
        "      - confirm: Is it right?
        ask:
          runs: { check: Is that the one?, probe: { vm: sql01, site: london, power: on } }
          count: { compare: The number on the screen, with: { host: lee-bk1, argv: [printf, n%s, four] } }
      - confirm: Is it off?
        ask:
          off: { check: Is it quiet?, probe: { vm: sql01, site: london, power: off } }
      - confirm: Is it the same?
        ask:
          same: { compare: The number on the screen, with: { host: lee-bk1, argv: [cat, /no/such/file] } }
",
    )
    .await;
    let first = "look/-/confirm";
    let answer = world.probe(first).await;
    assert!(!answer.found.contains("nfour"), "{}", answer.found);
    let proposal = needed(&answer);
    assert_eq!(lines(proposal), ["printf 'n%s' four"]);
    let Some(Prompt::Compare { printed, .. }) = proposal.ask.get("count") else {
        panic!("{proposal:?}")
    };
    assert_eq!(printed.as_deref(), Some("nfour"));
    let evidence = world.go(first).await;
    assert_eq!(
        evidence[1],
        "runs: yes: Is that the one? (sql01 runs in london: power state on on lon-esx1)"
    );
    assert_eq!(
        evidence[2],
        "count: nfour, as printf 'n%s' four on lee-bk1 printed"
    );
    for (id, why) in [
        (
            "look/-/confirm.2",
            "off: sql01 does not run in london: power state on",
        ),
        (
            "look/-/confirm.3",
            "same: cat /no/such/file on lee-bk1: status 1",
        ),
    ] {
        let fault = world.try_probe(id).await.unwrap_err();
        assert!(fault.what.starts_with(why), "{fault}");
        assert_eq!(fault.state, "nobody was asked");
    }
    world.end().await;
}

#[tokio::test]
async fn an_answer_that_took_long_counts_only_for_what_is_still_so() {
    let world = world(
        "      - confirm: Is it the same?
        ask:
          count: { compare: The number on the screen, with: { host: lee-bk1, argv: [cat, /tmp/number] } }
",
    )
    .await;
    let number = world.on("lee-bk1", "/tmp/number");
    std::fs::write(&number, "14\n").unwrap();
    let id = "look/-/confirm";
    let looked_long_ago = || {
        let mut state = world.keeper.state.lock().unwrap();
        let step = state.steps.get_mut(&world.step(id).id).unwrap();
        step.proposed_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_secs(90));
    };
    world.probe(id).await;
    looked_long_ago();
    let Performed::Done { evidence } = world.perform(id).await else {
        panic!("it is still 14")
    };
    assert!(evidence[2].ends_with("it was the same"), "{evidence:?}");

    world.probe(id).await;
    looked_long_ago();
    std::fs::write(&number, "15\n").unwrap();
    let performed = world.perform(id).await;
    let Performed::Changed(answer) = performed else {
        panic!("{performed:?}")
    };
    let Some(Prompt::Compare { printed, .. }) = needed(&answer).ask.get("count") else {
        panic!("{answer:?}")
    };
    assert_eq!(printed.as_deref(), Some("15"));

    // What nobody can type is not asked for, and stands nowhere.
    std::fs::write(&number, "14\n15\n").unwrap();
    let fault = world.try_probe(id).await.unwrap_err();
    assert!(
        fault
            .what
            .ends_with("it printed 2 lines; to be compared it is one, of at most 120 characters"),
        "{fault}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_pause_counts_from_its_first_begin_and_a_look_is_repeated_until_it_is_seen() {
    let world = world(
        "      - wait: 1s
      - wait: { until: \"2026-01-02T03:04:05Z\" }
      - wait: { for: { vm: sql01, site: london, power: off }, every: 1s }
        timeout: 2s
      - wait: { for: { vm: sql01, site: london, power: on } }
",
    )
    .await;
    let waited = world.go("look/-/wait").await;
    assert!(waited[0].starts_with("waited 1s, from "), "{waited:?}");
    assert!(matches!(
        world.probe("look/-/wait").await.verdict,
        Verdict::AlreadyDone { .. }
    ));
    assert_eq!(
        world.go("look/-/wait.2").await,
        ["2026-01-02 03:04:05 UTC has passed"]
    );
    world.probe("look/-/wait.3").await;
    let why = failure(world.perform("look/-/wait.3").await);
    assert!(
        why.contains("was not seen that sql01 does not run in london"),
        "{why}"
    );
    assert!(
        why.contains("last seen: power state on on lon-esx1"),
        "{why}"
    );
    let seen = world.go("look/-/wait.4").await;
    assert!(seen[1].ends_with("(1 look)"), "{seen:?}");
    world.end().await;
}

#[tokio::test]
async fn what_is_handed_off_is_done_once_it_is_seen_or_somebody_vouches_for_it() {
    let world = world(
        "      - hand_off: { to: Storage on call, ask: Promote the replica, verify: { tcp: lee-bk1 } }
      - hand_off: { to: Storage on call, ask: Promote the replica, verify: { tcp: \"127.0.0.2:1\" }, every: 1s }
        timeout: 1s
      - hand_off: { to: Duty manager London, ask: Lock the door }
",
    )
    .await;
    let first = "look/-/hand_off";
    let proposal = needed(&world.probe(first).await).clone();
    assert_eq!(
        proposal.changes[0],
        "call Storage on call (backups and datastores): +44 113 496 0200"
    );
    assert!(proposal.ask.is_empty(), "the probe is asked, not a person");
    let seen = world.go(first).await;
    assert!(
        seen.last()
            .unwrap()
            .starts_with("Storage on call had it for "),
        "{seen:?}"
    );
    assert!(
        world
            .facts()
            .iter()
            .any(|fact| matches!(fact, Fact::HandedOff { to, .. } if to == "Storage on call"))
    );
    let late = "look/-/hand_off.2";
    world.probe(late).await;
    let why = failure(world.perform(late).await);
    assert!(
        why.contains("call Storage on call again (+44 113 496 0200)"),
        "{why}"
    );
    let third = "look/-/hand_off.3";
    let proposal = needed(&world.probe(third).await).clone();
    let mut given = consent(&proposal);
    given
        .answers
        .insert("evidence".into(), Answer::Value(" ".into()));
    failure(world.perform_as(third, given.clone()).await);
    given
        .answers
        .insert("evidence".into(), Answer::Value("she rattled at it".into()));
    let Performed::Done { evidence } = world.perform_as(third, given).await else {
        panic!("it was answered")
    };
    assert_eq!(
        evidence,
        [
            "alice says that Duty manager London did it",
            "she rattled at it"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn power_off_asks_no_guest_and_is_done_once_it_is_off() {
    let world = world("      - power_off: sql01\n").await;
    let step = "look/sql01/power_off";
    let proposal = needed(&world.probe(step).await).clone();
    assert!(
        proposal.changes[0].contains("without asking its guest"),
        "{proposal:?}"
    );
    assert!(
        lines(&proposal)
            .iter()
            .all(|line| !line.contains("power.shutdown"))
    );
    let seen = world.go(step).await;
    assert!(seen[0].contains("off"), "{seen:?}");
    let sent = world.writes("lon-esx1");
    let stops = sent.iter().filter(|line| line.contains("vmsvc/power"));
    let stops: Vec<_> = stops.collect();
    assert_eq!(stops.len(), 1, "{sent:?}");
    assert!(stops[0].contains("vmsvc/power.off"), "{sent:?}");
    assert!(matches!(
        world.probe(step).await.verdict,
        Verdict::AlreadyDone { .. }
    ));
    world.end().await;
}

#[tokio::test]
async fn who_has_no_number_is_named_without_one() {
    let runbook = RUNBOOK.replace("phone: \"+44 113 496 0200\", ", "");
    let steps = "      - hand_off: { to: Storage on call, ask: Promote the replica, verify: { tcp: \"127.0.0.2:1\" }, every: 1s }
        timeout: 1s
";
    let world = world_of(&runbook, steps).await;
    let id = "look/-/hand_off";
    world.probe(id).await;
    let why = failure(world.perform(id).await);
    assert!(why.contains("call Storage on call again, then"), "{why}");
    world.end().await;
}

/// Registered anew from another folder, it is not where the runbook has it, and runs all the same.
#[tokio::test]
async fn a_vm_that_runs_from_another_folder_is_not_off() {
    let look = "      - check: [{ vm: sql01, site: london, power: off }]\n";
    let world = world(look).await;
    let host = world.hosts.host(&"lon-esx1".into()).unwrap();
    let row = "row=$(vim-cmd vmsvc/getallvms | grep sql01); set -- $row; vim-cmd";
    let move_it = format!(
        "{row} vmsvc/power.off $1 && vim-cmd vmsvc/unregister $1 || exit
        cd /vmfs/volumes/local1 && mv sql01 sql01-b || exit
        echo 'uuid.action = \"keep\"' >>sql01-b/sql01.vmx
        vim-cmd solo/registervm /vmfs/volumes/local1/sql01-b/sql01.vmx || exit
        {row} vmsvc/power.on $1"
    );
    let moved = HostCommand::read(["sh", "-c", &move_it]);
    let moved = host.read(Lane::Control, &moved).await.unwrap();
    assert_eq!(moved.status, 0, "{moved:?}");
    let id = "look/-/check";
    world.probe(id).await;
    let why = failure(world.perform(id).await);
    assert!(why.contains("it runs on lon-esx1: "), "{why}");
    world.end().await;
}
