use super::*;
use crate::actions::ownership::{Heard, Told};
use crate::actions::tests::parts::{dark, ownership};
use crate::actions::tests::step;
use crate::actions::tests::world::World;
use crate::engine::{Confirmation, Consent, Fact};

fn no() -> Told {
    Told::Copies(vec![])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_word_of_the_other_site_is_taken_again_before_a_start_is_seen_through() {
    let world = World::new().await;
    let (runbook, step) = step("failover/recover/sql01/power_on");
    let at = VmAt::of_step(&runbook, &step, &"sql01".into()).unwrap();
    let why = |gathered: Option<Ownership>| {
        let at = at.clone();
        world.run(&step, None, move |ctx| async move {
            match alone(&ctx, &at, SiteRole::Protected, gathered.as_ref()).await {
                Ok(other) => format!("{:?}", other.standing()),
                Err(ActError::Held { fault, .. }) => fault.what,
                Err(other) => panic!("{other:?}"),
            }
        })
    };
    let old = Some(ownership("London", &[no()], Heard::NotAsked));
    let held = why(old.clone()).await;
    assert!(held.contains("it runs on lon-esx1 too"), "{held}");
    world.site.go_dark(SiteRole::Protected);
    let held = why(old.clone()).await;
    assert!(held.contains("nobody vouched"), "{held}");
    let vouched = Ownership {
        attested: Some("alice: I saw it off".into()),
        at: Some(jiff::Timestamp::now()),
        ..ownership("London", &[dark()], Heard::NotAsked)
    };
    assert_eq!(why(Some(vouched)).await, "Attested");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_rests_on_is_taken_again_once_it_is_old_and_kept() {
    let world = World::new().await;
    let (runbook, step) = step("failover/recover/sql01/power_on");
    let at = VmAt::of_step(&runbook, &step, &"sql01".into()).unwrap();
    let renewed = |evidence: Evidence, attest: Option<&str>| {
        let (at, mut evidence) = (at.clone(), evidence);
        let said = attest.map(|words| Confirmation {
            attest: Some(words.to_owned()),
            ..Confirmation::plain("alice", Consent::Person)
        });
        world.run(&step, said, |ctx| async move {
            match evidence.renew(&ctx, &at, "[local1] sql01/sql01.vmx").await {
                Ok(()) => Ok(evidence),
                Err(ActError::Held { fault, .. }) => Err(fault.what),
                Err(other) => panic!("{other:?}"),
            }
        })
    };
    let alone = |at| Evidence::Alone {
        other: SiteRole::Protected,
        seen: Ownership {
            at,
            ..ownership("London", &[no()], Heard::Silence)
        },
    };
    let kept = || {
        let is_evidence = |fact: &&Fact| matches!(fact, Fact::OwnershipEvidence { .. });
        world.facts().iter().filter(is_evidence).count()
    };
    let now = Some(Timestamp::now());
    let same = renewed(alone(now), None).await.unwrap();
    assert_eq!((same.at(), kept()), (now, 0), "it is fresh");
    let held = renewed(alone(None), None).await.unwrap_err();
    assert!(held.contains("it runs on lon-esx1 too"), "{held}");

    world.site.go_dark(SiteRole::Protected);
    let anew = renewed(alone(None), Some("I saw it off")).await.unwrap();
    assert!(!is_stale(Timestamp::now(), anew.at()));
    assert_eq!(kept(), 1, "the report tells of what was asked last");
    renewed(anew, None).await.unwrap();
    assert_eq!(kept(), 1, "and a second question rests on that");
    world.end().await;
}
