use super::*;
use crate::actions::registered::Unlisted;
use crate::actions::tests::parts::{entry, registration};
use crate::actions::tests::{blocked, done, lines, needed, step};

fn unregister() -> Unregister {
    let (runbook, step) = step("failback/go-home/sql01/unregister");
    Unregister::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn answer(entry: Option<registered::Entry>) -> ProbeAnswer {
    unregister().decide(&Seen {
        registration: Known::Is(registration(entry)),
        ..Seen::default()
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

#[test]
fn no_row_in_the_list_proves_little() {
    let answer = |unread: usize, unlisted: Unlisted| {
        let registration = Registration {
            unread,
            unlisted,
            ..Registration::default()
        };
        unregister().decide(&Seen {
            registration: Known::Is(registration),
            ..Seen::default()
        })
    };
    let invalid = Unlisted {
        invalid: Some(Vmid(9)),
        runs: false,
    };
    let hidden = answer(0, invalid.clone());
    assert_eq!(lines(needed(&hidden)), ["vim-cmd vmsvc/unregister 9"]);
    for invalid in [None, invalid.invalid] {
        let runs = Unlisted {
            invalid,
            runs: true,
        };
        let runs = answer(0, runs);
        assert!(blocked(&runs).what.contains("without being registered"));
    }
    let doubtful = answer(1, Unlisted::default());
    assert!(done(&doubtful)[0].contains("some lines could not be read"));
}
