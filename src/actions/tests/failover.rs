//! The way out: London is dark or alive, sql01 comes up in Leeds.

use super::world::{World, is_done, out};
use super::{lines, needed};
use crate::engine::{Fact, Performed, Verdict};
use crate::host::{HostCommand, Lane};
use crate::plan::Risk;
use crate::runbook::model::SiteRole;

const VERBS: [&str; 6] = [
    "fence", "restore", "register", "network", "power_on", "ready",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_is_brought_up_where_the_other_site_is_dark() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);

    let fence = world.probe(&out("fence")).await;
    let proposal = needed(&fence);
    assert!(
        proposal.attest.is_some() && proposal.commands.is_empty(),
        "{proposal:?}"
    );
    let evidence = world.go(&out("fence")).await;
    assert!(evidence[0].contains("attested, not proven"), "{evidence:?}");
    for verb in &VERBS[1..] {
        let evidence = world.go(&out(verb)).await;
        assert!(!evidence.is_empty(), "{verb}");
    }

    let facts = world.facts();
    let has = |is: &dyn Fn(&Fact) -> bool| facts.iter().any(is);
    assert!(has(&|fact| matches!(fact, Fact::Attested { .. })));
    assert!(has(&|fact| matches!(fact, Fact::DatastoreSeen { .. })));
    assert!(has(&|fact| matches!(fact, Fact::FolderMade { .. })));
    assert!(has(&|fact| matches!(
        fact,
        Fact::PointChosen { verified: true, .. }
    )));
    assert!(has(
        &|fact| matches!(fact, Fact::FilePlaced { path, .. } if path.ends_with("sql01-flat.vmdk"))
    ));
    assert!(has(
        &|fact| matches!(fact, Fact::Registered { uuid_bios, .. } if uuid_bios.len() == 32)
    ));
    assert!(has(&|fact| matches!(
        fact,
        Fact::PortGroupMade { vlan: 20, .. }
    )));
    assert!(has(&|fact| matches!(fact, Fact::ConfigKept { .. })));
    assert!(has(&|fact| matches!(fact, Fact::OriginalKept { .. })));
    assert!(has(&|fact| matches!(fact, Fact::AdapterJoined { .. })));
    assert!(has(&|fact| matches!(
        fact,
        Fact::AddressProbed {
            answered: false,
            ..
        }
    )));
    assert!(has(&|fact| matches!(
        fact,
        Fact::OwnershipEvidence { whole: false, .. }
    )));
    assert!(has(&|fact| matches!(fact, Fact::PoweredOn { .. })));
    assert!(has(&|fact| matches!(fact, Fact::RungReached { .. })));
    assert!(has(&|fact| matches!(fact, Fact::Serves { .. })));

    // Everything is looked at once more, and nothing is sent.
    world.all_done(VERBS.map(out)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_still_runs_is_stopped_and_disarmed_first() {
    let world = World::new().await;

    let blocked = world.probe(&out("power_on")).await;
    assert!(!is_done(&blocked));
    let answer = world.probe(&out("fence")).await;
    let proposal = needed(&answer);
    assert_eq!(
        (proposal.risk, proposal.typed.as_deref()),
        (Some(Risk::Typed), Some("sql01"))
    );
    assert!(
        proposal.attest.is_none(),
        "every host answers: {proposal:?}"
    );
    let shown: Vec<String> = lines(proposal).into_iter().map(str::to_owned).collect();
    let evidence = world.go(&out("fence")).await;
    assert!(evidence[0].contains("off"), "{evidence:?}");

    // What was sent was shown before.
    let sent = world.writes("lon-esx1");
    assert!(!sent.is_empty());
    for line in &sent {
        assert!(
            shown.iter().any(|shown| line.ends_with(shown)),
            "{line} was not among {shown:?}"
        );
    }
    let facts = world.facts();
    assert!(
        facts.iter().any(
            |fact| matches!(fact, Fact::Stopped { how, .. } if how == "shut down by its guest")
        )
    );
    let removed = facts
        .iter()
        .any(|fact| matches!(fact, Fact::AutostartRemoved { .. }));
    assert_eq!(
        removed,
        shown
            .iter()
            .any(|line| line.contains("update_autostartentry"))
    );

    for verb in ["restore", "register", "network"] {
        world.go(&out(verb)).await;
    }
    let answer = world.probe(&out("power_on")).await;
    assert!(
        needed(&answer).attest.is_none(),
        "all of it is proven: {answer:?}"
    );
    world.go(&out("power_on")).await;
    let whole = |fact: &Fact| matches!(fact, Fact::OwnershipEvidence { whole: true, vm, .. } if vm.as_str() == "sql01");
    assert!(world.facts().iter().any(whole));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_somebody_starts_again_is_known_to_have_written_until_its_second_stop() {
    let world = World::new().await;
    for stops in 1..=2 {
        world.go(&out("fence")).await;
        let facts = world.facts();
        let wanted = |fact: &&Fact| matches!(fact, Fact::StopWanted { .. });
        assert_eq!(facts.iter().filter(wanted).count(), stops);
        let last = facts
            .iter()
            .rev()
            .find(|fact| matches!(fact, Fact::StopWanted { .. } | Fact::Stopped { .. }));
        assert!(matches!(last, Some(Fact::Stopped { .. })), "{last:?}");
        if stops == 1 {
            world.start_in_london().await;
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_can_be_taken_back_in_reverse() {
    let world = World::out_to("power_on").await;
    for verb in ["network", "register", "restore"] {
        match world.undo(&out(verb)).await {
            Performed::Undone { evidence } => assert!(!evidence.is_empty(), "{verb}"),
            other => panic!("{verb}: {other:?}"),
        }
    }
    assert!(!world.on("lee-esx1", "/vmfs/volumes/local1/sql01").exists());
    assert!(matches!(
        world.undo(&out("ready")).await,
        Performed::Failed(_)
    ));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vmx_with_leftovers_is_made_fit_with_its_entry_and_taken_back_with_it() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    let step = |verb: &str| format!("failover/recover/app01/{verb}");
    world.go(&step("fence")).await;
    world.go(&step("restore")).await;
    let vmx = world.on("lee-esx1", "/vmfs/volumes/local1/app01/app01.vmx");
    let restored = std::fs::read_to_string(&vmx).unwrap();
    assert!(
        restored.contains("netinst.iso") && restored.contains(".vswp"),
        "{restored}"
    );

    let answer = world.probe(&step("register")).await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("+ ide1:0.startConnected = \"FALSE\""),
        "{changes}"
    );
    assert!(changes.contains("- sched.swap.derivedName"), "{changes}");
    world.go(&step("register")).await;
    let fit = std::fs::read_to_string(&vmx).unwrap();
    assert!(
        !fit.contains("netinst.iso") && !fit.contains(".vswp"),
        "{fit}"
    );
    assert_eq!(fit.lines().count(), restored.lines().count() + 1, "{fit}");
    assert!(is_done(&world.probe(&step("register")).await));

    for verb in ["network", "power_on"] {
        world.go(&step(verb)).await;
    }
    let asked = world.keeper.asked.lock().unwrap().len();
    assert_eq!(asked, 0, "nothing stops its start");
    for verb in ["power_on", "network", "register"] {
        let performed = world.undo(&step(verb)).await;
        assert!(
            matches!(performed, Performed::Undone { .. }),
            "{verb}: {performed:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(&vmx).unwrap(), restored);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_of_newer_hardware_would_be_invalid_and_is_lowered() {
    let world = World::out_to("register").await;
    let vmx = world.on("lee-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    let newer =
        |text: String| text.replace("virtualHW.version = \"19\"", "virtualHW.version = \"22\"");
    std::fs::write(&vmx, newer(std::fs::read_to_string(&vmx).unwrap())).unwrap();
    let read = |words: &[&str]| HostCommand::read(words.iter().copied());
    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    let entering = [
        "vim-cmd",
        "solo/registervm",
        "/vmfs/volumes/local1/sql01/sql01.vmx",
    ];
    assert_eq!(
        host.read(Lane::Telemetry, &read(&entering))
            .await
            .unwrap()
            .status,
        0
    );
    let list = host
        .read(Lane::Telemetry, &read(&["vim-cmd", "vmsvc/getallvms"]))
        .await
        .unwrap();
    assert!(
        list.error_text().contains("Skipping invalid VM"),
        "{list:?}"
    );

    let answer = world.probe(&out("register")).await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("+ virtualHW.version = \"21\""),
        "{changes}"
    );
    let evidence = world.go(&out("register")).await;
    assert!(evidence[0].contains("registered as vmid"), "{evidence:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_a_vm_has_run_from_are_not_removed() {
    let world = World::out_to("ready").await;
    for verb in ["power_on", "network", "register"] {
        let performed = world.undo(&out(verb)).await;
        assert!(
            matches!(performed, Performed::Undone { .. }),
            "{verb}: {performed:?}"
        );
    }
    let disk = world.on("lee-esx1", "/vmfs/volumes/local1/sql01/sql01-flat.vmdk");
    match world.undo(&out("restore")).await {
        Performed::Failed(fault) => assert!(fault.what.contains("has run from"), "{fault}"),
        other => panic!("{other:?}"),
    }
    assert!(disk.exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_vouched_for_is_over_once_the_vm_was_seen_running() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    world.go(&out("fence")).await;
    assert!(is_done(&world.probe(&out("fence")).await), "it stands");

    // London comes back, runs it, and is silent again: one look in between saw it.
    world.site.come_back(SiteRole::Protected);
    world.start_in_london().await;
    let runs = world.probe(&out("fence")).await;
    assert_eq!(needed(&runs).typed.as_deref(), Some("sql01"));
    world.site.go_dark(SiteRole::Protected);
    let again = world.probe(&out("fence")).await;
    assert!(needed(&again).attest.is_some(), "{again:?}");
    let facts = world.facts();
    let seen = facts.iter().filter_map(|fact| match fact {
        Fact::Contradicted { seen, .. } => Some(seen.as_str()),
        _ => None,
    });
    let seen: Vec<&str> = seen.collect();
    assert!(
        seen.len() == 1 && seen[0].contains("runs on lon-esx1"),
        "{seen:?}"
    );

    // The same person vouches for it anew, in the same words.
    world.go(&out("fence")).await;
    assert!(
        is_done(&world.probe(&out("fence")).await),
        "it stands again"
    );
    let facts = world.facts();
    let attested = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::Attested { .. }));
    assert_eq!(attested.count(), 2, "each is kept once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_restores_that_begin_together_one_counts_anew_what_the_other_takes() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    let (first, second) = (out("restore"), "failover/recover/web01/restore".to_owned());
    for id in [&first, &second] {
        let text = needed(&world.probe(id).await).changes.join("\n");
        assert!(!text.contains("has begun"), "{text}");
    }
    let both = tokio::join!(world.perform(&first), world.perform(&second));
    let (late, fault) = match &both {
        (Performed::Done { .. }, Performed::Failed(fault)) => (second, fault),
        (Performed::Failed(fault), Performed::Done { .. }) => (first, fault),
        other => panic!("{other:?}"),
    };
    assert!(
        fault.passing && fault.what.contains("at the same moment"),
        "{fault}"
    );
    let room = world.facts();
    let counted = room
        .iter()
        .filter(|fact| matches!(fact, Fact::RoomCounted { .. }));
    assert_eq!(counted.count(), 1);
    world.go(&late).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datastore_that_is_another_volume_by_now_is_left_alone_by_every_step() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    world.go(&out("restore")).await;
    let seen = world.facts().into_iter().find_map(|fact| match fact {
        Fact::DatastoreSeen { host, label, .. } => Some((host, label)),
        _ => None,
    });
    let (host, label) = seen.unwrap();
    // As if it had been another one when the run first used it.
    let uuid = "00000000-00000000-0000-000000000000".to_owned();
    let other = Fact::DatastoreSeen { host, label, uuid };
    world.first_saw(other);
    let before = world.all_writes();
    let answer = world.probe(&out("register")).await;
    let Verdict::Blocked { fault, .. } = &answer.verdict else {
        panic!("{answer:?}");
    };
    assert!(
        fault.what.contains("is not the volume that it was"),
        "{fault}"
    );
    let undone = world.undo(&out("restore")).await;
    assert!(
        matches!(&undone, Performed::Failed(fault) if fault.what.contains("not the volume")),
        "{undone:?}"
    );
    assert_eq!(world.all_writes(), before);
    world.end().await;
}
