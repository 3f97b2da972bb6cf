//! Whatever is wrong ends in a message that names what, where and the next move.

use std::time::Duration;

use crate::program::{Place, Ran};
use crate::site::{RUNBOOK, answers};

const SOON: Duration = Duration::from_secs(60);

fn validate(place: &Place, path: &str) -> Ran {
    place.run(&["validate", path], SOON)
}

#[track_caller]
fn no_panic(ran: &Ran) {
    assert!(!ran.all().contains("panicked"), "{}", ran.all());
}

#[test]
fn files_that_are_no_runbooks_are_named_with_status_2() {
    let place = Place::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(place.path().join(name), bytes).expect("a file");
    };
    write("empty.yaml", b"");
    write(
        "noise.yaml",
        &(0..=255u8).cycle().take(5000).collect::<Vec<u8>>(),
    );
    write("nul.yaml", b"lifeboat: 1\nname: \0\n");
    write("tabs.yaml", b"lifeboat: 1\n\tname: x\n");
    write("list.yaml", b"- 1\n- 2\n");
    write("newer.yaml", b"lifeboat: 2\nname: x\n");
    write("deep.yaml", "[".repeat(5000).as_bytes());
    std::fs::create_dir(place.path().join("folder.yaml")).expect("a folder");
    for name in [
        "missing.yaml",
        "folder.yaml",
        "empty.yaml",
        "noise.yaml",
        "nul.yaml",
        "tabs.yaml",
        "list.yaml",
        "newer.yaml",
        "deep.yaml",
    ] {
        let ran = validate(&place, name);
        assert_eq!(ran.status, Some(2), "{name}: {}", ran.all());
        assert!(
            ran.all().contains(name),
            "{name} is not named: {}",
            ran.all()
        );
        no_panic(&ran);
    }
}

#[test]
fn a_hundred_megabytes_and_a_bomb_are_refused_at_once() {
    let place = Place::new();
    let line = "# a long comment that says nothing at all, over and over\n";
    std::fs::write(place.path().join("big.yaml"), line.repeat(100 << 20 >> 6)).expect("a file");
    let mut bomb = String::from("lifeboat: 1\nx-a: &a [0,0,0,0,0,0,0,0,0,0]\n");
    for level in 0..12u8 {
        let (this, last) = ((b'b' + level) as char, (b'a' + level) as char);
        bomb.push_str(&format!(
            "x-{this}: &{this} [{}]\n",
            vec![format!("*{last}"); 10].join(",")
        ));
    }
    std::fs::write(place.path().join("bomb.yaml"), bomb).expect("a file");
    for name in ["big.yaml", "bomb.yaml"] {
        let ran = validate(&place, name);
        ran.expect(2);
        no_panic(&ran);
        eprintln!("{name} refused in {:?}", ran.took);
    }
}

#[test]
fn words_that_lifeboat_does_not_know_are_status_2() {
    let place = Place::new();
    for args in [
        &["no-such-command"][..],
        &["run", "missing.yaml", "--headless"],
        &["run", RUNBOOK, "--headless", "--only", "nobody"],
        &["run", RUNBOOK, "--headless", "--set", "nothing=1"],
        &["run", RUNBOOK, "--headless", "--set", "esxi_password=1"],
        &["resume", "no-such-run", "--headless"],
        &["verify", "no-such-run"],
        &["report", "no-such-run"],
        &["practice", "--speed", "fast"],
        &["practice", "--scale", "-1"],
    ] {
        let ran = place.run(args, SOON);
        assert_eq!(ran.status, Some(2), "{args:?}: {}", ran.all());
        no_panic(&ran);
    }
    let strange = answers(
        &place,
        "steps:\n  failover/nowhere/sql01/levitate: {by: alice}\n",
    );
    let ran = place.run(&["run", RUNBOOK, "--headless", "--answers", &strange], SOON);
    ran.expect(2);
    assert!(ran.all().contains("levitate"), "{}", ran.all());
}

#[test]
fn the_bundled_runbook_is_valid_and_its_plan_can_be_printed() {
    let place = Place::new();
    validate(&place, RUNBOOK).expect(0);
    let plan = place.run(&["plan", RUNBOOK], SOON);
    plan.expect(0);
    for word in [
        "failover/recover/sql01/restore",
        "vim-cmd solo/registervm",
        "\u{2039}vmid of sql01\u{203a}",
    ] {
        assert!(
            plan.stdout.contains(word),
            "{word} is not in the plan:\n{}",
            plan.stdout
        );
    }
}
