//! Restore points as practice lays them out, restored; and another one chosen at run time.

use crate::engine::{Answer, Confirmation, Consent, Fact, Performed};

use super::world::World;
use super::{RUNBOOK, needed};

async fn world(layout: &str) -> World {
    let plain = "path: /backup/nightly }";
    assert!(RUNBOOK.contains(plain));
    let text = RUNBOOK.replace(
        plain,
        &format!("path: /backup/nightly, layout: {layout} }}"),
    );
    World::with(&text).await
}

fn choosing(point: &str) -> Confirmation {
    let answers = [("point", point), ("why", "the newer one is suspect")];
    let answer = |(key, text): (&str, &str)| (key.to_owned(), Answer::Value(text.to_owned()));
    Confirmation {
        by: "alice".into(),
        second: None,
        typed: None,
        attest: None,
        answers: answers.map(answer).into(),
        how: Consent::Person,
    }
}

#[tokio::test]
async fn an_increment_is_restored_from_all_the_points_that_hold_it() {
    let world = world("incremental").await;
    let answer = world.probe("sql01/restore").await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("(incremental, applications consistent)"),
        "{changes}"
    );
    assert!(
        changes.contains("not changed since: 2 files from "),
        "{changes}"
    );
    let evidence = world.go("sql01/restore").await;
    assert_eq!(evidence.len(), 7, "{evidence:?}");
    let chosen = world.facts().into_iter().find_map(|fact| match fact {
        Fact::PointChosen { path, verified, .. } => Some((path, verified)),
        _ => None,
    });
    let (path, verified) = chosen.unwrap();
    assert!(path.ends_with("Z-incr") && verified, "{path}");
}

#[tokio::test]
async fn another_point_is_chosen_shown_and_only_then_restored() {
    let world = world("ghettovcb").await;
    let answer = world.probe("sql01/restore").await;
    let first = needed(&answer);
    let choice = first.choice.clone().unwrap();
    let older = choice.options[1].name.clone();
    assert_eq!(choice.options.len(), 3);
    assert!(
        first
            .changes
            .iter()
            .any(|line| line.starts_with("source unverified"))
    );

    let Performed::Changed(shown) = world.perform_as("sql01/restore", choosing(&older)).await
    else {
        panic!("nothing may be sent before the other card was shown");
    };
    assert_eq!(world.keeper.state.lock().unwrap().ops.len(), 0);
    let second = needed(&shown);
    assert_eq!(second.choice.as_ref().unwrap().taken, Some(older.clone()));
    let line = format!(
        "chosen by alice instead of {}: the newer one is suspect",
        choice.options[0].name
    );
    assert!(second.changes.contains(&line), "{:?}", second.changes);

    // The choice outlives the console that it was made at.
    let again = world.probe("sql01/restore").await;
    assert_eq!(needed(&again).changes, second.changes);
    let evidence = world.go("sql01/restore").await;
    assert_eq!(evidence.len(), 6, "{evidence:?}");
    let facts = world.facts();
    let picked = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::PointPicked { .. }));
    assert_eq!(picked.count(), 1);
    assert!(facts.iter().any(|fact| matches!(
        fact,
        Fact::PointChosen { path, verified: false, .. } if path.ends_with(&older)
    )));
}

#[tokio::test]
async fn a_step_that_was_taken_back_may_take_another_point() {
    let world = world("full").await;
    world.go("sql01/restore").await;
    let undone = world.undo("sql01/restore").await;
    assert!(matches!(undone, Performed::Undone { .. }), "{undone:?}");
    let answer = world.probe("sql01/restore").await;
    let choice = needed(&answer).choice.clone().unwrap();
    let older = choice.options[2].name.clone();
    world.perform_as("sql01/restore", choosing(&older)).await;
    world.go("sql01/restore").await;
    let facts = world.facts();
    let last = facts.iter().rev().find_map(|fact| match fact {
        Fact::PointChosen { stamp, .. } => Some(stamp.clone()),
        _ => None,
    });
    assert_eq!(last, Some(older));
}
