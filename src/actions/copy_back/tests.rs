use super::*;
use crate::actions::arrivals;
use crate::actions::copying::{Way, based};
use crate::actions::ownership::{Heard, Told};
use crate::actions::tests::parts::{configuration, copy, ownership};
use crate::actions::tests::{blocked, done, needed, step};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell;
use crate::transfer::{Base, Item, Seed, Seeds, Standing, SummedBy};
use crate::vmfiles::{Change, FileKind};

fn copy_back() -> CopyBack {
    let (runbook, step) = step("failback/go-home/sql01/copy_back");
    CopyBack::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn item(name: &str, bytes: u64) -> Item {
    Item {
        name: name.into(),
        kind: FileKind::of(name),
        at: name.into(),
        bytes,
        sum: None,
        recorded: false,
        text: None,
    }
}

fn load(way: Way) -> Load {
    let mut found = based("sql01-flat.vmdk", Ok(Base::Disk("sql01.vmdk".into())));
    let zeros = "0".repeat(64).parse().unwrap();
    let same = Standing::Whole(zeros, SummedBy::ReadingBack);
    found.files.insert("sql01.nvram".into(), same);
    Load {
        items: vec![
            item("sql01.vmdk", 500),
            item("sql01.nvram", 8684),
            item("sql01-flat.vmdk", 2 << 30),
        ],
        found,
        way,
        renamed: vec![],
        seeds: Seeds::new(),
        commands: vec![],
        most: 1 << 30,
        mover: "relayed through this machine",
    }
}

fn seen(leeds: PowerState, london: PowerState, load: Option<Load>) -> Known<Seen> {
    let owner = |site, power| ownership(site, &[Told::Copies(vec![copy(power)])], Heard::NotAsked);
    Known::Is(Seen {
        owners: [owner("Leeds", leeds), owner("London", london)],
        from: copy_back().from,
        store: Store::Here {
            uuid: "u1".into(),
            free: 1 << 40,
        },
        arrivals: Arrivals::default(),
        load,
        vmx: None,
    })
}

#[test]
fn it_goes_from_where_the_vm_ran_to_its_home() {
    let verb = copy_back();
    assert_eq!(
        (verb.from.host.as_str(), verb.to.host.as_str()),
        ("lee-esx1", "lon-esx1")
    );
}

#[test]
fn nothing_is_copied_while_it_is_awake_anywhere() {
    use PowerState::{Off, On, Suspended};
    // The step may have no fence before it: the command is one that can be given there.
    let down = "(vim-cmd vmsvc/power.shutdown 7); then retry";
    for (leeds, london, what, next) in [
        (On, Off, "runs in Leeds", down),
        (Off, On, "runs in London", down),
        (
            Suspended,
            Off,
            "is suspended in Leeds",
            "resume it in Leeds",
        ),
    ] {
        let answer = copy_back().decide(&seen(leeds, london, None));
        let fault = blocked(&answer);
        assert!(
            fault.what.contains(what) && fault.next.contains(next),
            "{fault}"
        );
    }
}

#[test]
fn what_comes_and_what_makes_room_is_shown_and_the_name_is_typed() {
    let off = PowerState::Off;
    let answer = copy_back().decide(&seen(off, off, Some(load(Way::Clone))));
    let proposal = needed(&answer);
    assert_eq!(
        (proposal.risk, proposal.typed.as_deref()),
        (Some(Risk::Typed), Some("sql01"))
    );
    assert!(
        proposal.changes[0].contains("at most 1.0 GiB travel"),
        "{:?}",
        proposal.changes
    );
    assert_eq!(
        proposal.changes[1..],
        [
            "+ sql01.vmdk (500 B)",
            "sql01.nvram (8.5 KiB) is there and equal: it stays",
            "+ sql01-flat.vmdk (2.0 GiB): the blocks that differ, into a clone of the one there (disk sql01.vmdk)",
            "- sql01-flat.vmdk there now is renamed aside and kept, unless it proves equal",
            "the .vmx at home stays as it is",
        ]
    );
}

#[test]
fn what_comes_whole_says_why() {
    let off = PowerState::Off;
    let mut grown = load(Way::Clone);
    grown.found = based("sql01-flat.vmdk", Err("has another size there".into()));
    let answer = copy_back().decide(&seen(off, off, Some(grown)));
    let changes = &needed(&answer).changes;
    assert!(
        changes.contains(&"+ sql01-flat.vmdk (2.0 GiB), whole: it has another size there".into())
            && changes.contains(&"- sql01-flat.vmdk there now is renamed aside and kept".into()),
        "{changes:?}"
    );
}

#[test]
fn in_place_spells_out_the_loss_and_takes_a_word_of_its_own() {
    let off = PowerState::Off;
    let answer = copy_back().decide(&seen(off, off, Some(load(Way::InPlace))));
    let proposal = needed(&answer);
    assert_eq!(proposal.typed.as_deref(), Some("sql01 in place"));
    let changes = proposal.changes.join("\n");
    assert!(
        changes.contains("- sql01-flat.vmdk there now is overwritten")
            && changes.contains("What they were is lost with the first byte")
            && !changes.contains("renamed aside"),
        "{changes}"
    );
}

#[test]
fn too_little_room_is_told_with_figures() {
    let off = PowerState::Off;
    let none = Way::NoRoom {
        needed: 1 << 30,
        free: 1 << 20,
    };
    let answer = copy_back().decide(&seen(off, off, Some(load(none))));
    assert!(
        blocked(&answer).what.contains("has 1.0 MiB free"),
        "{answer:?}"
    );
}

#[test]
fn the_vmx_at_home_stays_only_if_it_fits_what_comes() {
    let disks = |names: &[&str]| {
        let lines = names.iter().enumerate().map(|(n, name)| {
            format!("scsi0:{n}.present = \"TRUE\"\nscsi0:{n}.fileName = \"{name}\"\n")
        });
        configuration(&format!(
            "scsi0.present = \"TRUE\"\n{}",
            lines.collect::<String>()
        ))
    };
    let mut files = VmFiles {
        items: load(Way::Clone).items,
        ..VmFiles::default()
    };
    files.slots.insert("scsi0:0".into(), "sql01.vmdk".into());
    let why = |home: &Configuration| why_vmx_comes(home, &files, "sql01.vmx", &[]);
    assert_eq!(why(&disks(&["sql01.vmdk"])), None);
    assert!(
        why(&disks(&["sql01.vmdk", "sql01-000001.vmdk"]))
            .unwrap()
            .contains("sql01-000001.vmdk")
    );
    assert!(why(&Configuration::Missing(String::new())).is_some());
    let mut more = files.clone();
    more.items.push(item("sql01_1.vmdk", 500));
    more.slots.insert("scsi0:1".into(), "sql01_1.vmdk".into());
    let why = |names: &[&str]| why_vmx_comes(&disks(names), &more, "sql01.vmx", &[]);
    assert_eq!(why(&["sql01.vmdk", "sql01_1.vmdk"]), None);
    let added = why(&["sql01.vmdk"]).unwrap();
    assert!(
        added.contains("has no scsi0:1, for which sql01_1.vmdk comes"),
        "{added}"
    );
    let mut snapshot = files.clone();
    snapshot.items.push(item("sql01-000001.vmdk", 400));
    let top = "sql01-000001.vmdk".to_owned();
    snapshot.slots.insert("scsi0:0".into(), top);
    let base = why_vmx_comes(&disks(&["sql01.vmdk"]), &snapshot, "sql01.vmx", &[]);
    let base = base.unwrap();
    assert!(
        base.contains("has sql01.vmdk as scsi0:0, for which sql01-000001.vmdk comes"),
        "what was written since the snapshot is in no disk that the one at home names: {base}"
    );
    let detached = why_vmx_comes(
        &disks(&["sql01.vmdk", "sql01_1.vmdk"]),
        &VmFiles {
            slots: files.slots.clone(),
            ..more.clone()
        },
        "sql01.vmx",
        &[],
    );
    assert!(detached.unwrap().contains("scsi0:1, where none comes"));
    let swapped = why(&["sql01_1.vmdk", "sql01.vmdk"]).unwrap();
    assert!(swapped.contains("has sql01_1.vmdk as scsi0:0"), "{swapped}");
}

#[test]
fn disks_from_elsewhere_are_shown_with_the_names_that_they_get() {
    let off = PowerState::Off;
    let mut apart = load(Way::Clone);
    let at = "/vmfs/volumes/d2/sql01/sql01-flat.vmdk".to_owned();
    apart.items = vec![Item {
        at,
        ..item("sql01_1-flat.vmdk", 1 << 30)
    }];
    let descriptor = "/vmfs/volumes/h2/sql01/sql01.vmdk".to_owned();
    apart
        .seeds
        .insert("sql01_1-flat.vmdk".into(), Seed { descriptor });
    apart.renamed = vec![Change {
        key: "scsi0:1.fileName".into(),
        before: Some("/vmfs/volumes/d2/sql01/sql01.vmdk".into()),
        after: Some("sql01_1.vmdk".into()),
    }];
    let answer = copy_back().decide(&seen(off, off, Some(apart)));
    let changes = &needed(&answer).changes;
    assert_eq!(
        changes[1],
        "+ sql01_1-flat.vmdk (there /vmfs/volumes/d2/sql01/sql01-flat.vmdk) (1.0 GiB): the blocks that differ, \
         into a clone of /vmfs/volumes/h2/sql01/sql01.vmdk, which stays and is used no more"
    );
    assert!(
        changes[2].contains("all of them come into /vmfs/volumes/local1/sql01"),
        "{changes:?}"
    );
    assert_eq!(
        changes[3..5],
        [
            "- scsi0:1.fileName = \"/vmfs/volumes/d2/sql01/sql01.vmdk\"",
            "+ scsi0:1.fileName = \"sql01_1.vmdk\"",
        ]
    );
}

#[test]
fn what_was_brought_is_done_though_the_vm_runs_again() {
    let Known::Is(mut there) = seen(PowerState::Off, PowerState::On, None) else {
        panic!()
    };
    there.arrivals.placed = vec![arrivals::Placed {
        name: "sql01.vmdk".into(),
        bytes: 1,
        sha256: String::new(),
    }];
    there.arrivals.entries = vec![(
        "sql01.vmdk".into(),
        Some(shell::FileStat {
            kind: shell::FileKind::File,
            size: 1,
            mode: 0o600,
            modified: 0,
            allocated: 1,
        }),
    )];
    done(&copy_back().decide(&Known::Is(there)));
}
