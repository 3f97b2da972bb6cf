use super::*;
use crate::actions::tests::parts::{entry, registration};
use crate::actions::tests::{blocked, done, lines, needed, step};

fn unregister() -> Unregister {
    let (runbook, step) = step("failback/go-home/sql01/unregister");
    Unregister::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn answer(entry: Option<registered::Entry>) -> ProbeAnswer {
    unregister().decide(&Seen {
        at: None,
        registration: Known::Is(registration(entry)),
    })
}

#[test]
fn only_a_vm_that_does_not_run_leaves_the_inventory() {
    assert_eq!(unregister().at.host.as_str(), "lee-esx1");
    done(&answer(None));
    assert!(
        blocked(&answer(Some(entry(PowerState::On, "connected"))))
            .what
            .contains("runs")
    );
    let off = answer(Some(entry(PowerState::Off, "connected")));
    assert_eq!(lines(needed(&off)), ["vim-cmd vmsvc/unregister 7"]);
    assert_eq!(needed(&off).risk, Some(Risk::Disruptive));
    // An entry that cannot be read is stale: it goes the same way.
    needed(&answer(Some(entry(PowerState::Off, "invalid"))));
}
