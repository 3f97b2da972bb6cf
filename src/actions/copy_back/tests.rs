use super::*;
use crate::actions::arrivals;
use crate::actions::ownership::Heard;
use crate::actions::tests::parts::{configuration, copy, ownership};
use crate::actions::tests::{blocked, done, needed, step};

fn copy_back() -> CopyBack {
    let (runbook, step) = step("failback/go-home/sql01/copy_back");
    CopyBack::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn item(name: &str, bytes: u64) -> Item {
    Item {
        name: name.into(),
        at: name.into(),
        bytes,
        sum: None,
        recorded: false,
    }
}

fn load() -> Load {
    Load {
        items: vec![item("sql01.vmdk", 500), item("sql01-flat.vmdk", 2 << 30)],
        commands: vec![],
        vmx: None,
        replaced: vec!["sql01-flat.vmdk".into()],
        data: 1 << 30,
    }
}

fn seen(leeds: PowerState, london: PowerState, free: u64, load: Option<Load>) -> Known<Seen> {
    let owner = |site, power| ownership(site, &[Told::Copies(vec![copy(power)])], Heard::NotAsked);
    Known::Is(Seen {
        owners: [owner("Leeds", leeds), owner("London", london)],
        store: Store::Here {
            uuid: "u1".into(),
            free,
        },
        arrivals: Arrivals::default(),
        load,
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
    for (leeds, london, what, next) in [
        (On, Off, "runs in Leeds", "fence it in Leeds"),
        (Off, On, "runs in London", "fence it in London"),
        (
            Suspended,
            Off,
            "is suspended in Leeds",
            "resume it in Leeds",
        ),
    ] {
        let answer = copy_back().decide(&seen(leeds, london, u64::MAX, None));
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
    let answer = copy_back().decide(&seen(off, off, u64::MAX, Some(load())));
    let proposal = needed(&answer);
    assert_eq!(
        (proposal.risk, proposal.typed.as_deref()),
        (Some(Risk::Typed), Some("sql01"))
    );
    assert_eq!(
        proposal.changes[1..],
        [
            "+ sql01.vmdk (500 B)",
            "+ sql01-flat.vmdk (2.0 GiB)",
            "- sql01-flat.vmdk there now is renamed aside and kept",
            "the .vmx at home stays as it is",
        ]
    );
}

#[test]
fn too_little_room_is_told_with_figures() {
    let off = PowerState::Off;
    let answer = copy_back().decide(&seen(off, off, 1 << 20, Some(load())));
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
    let items = load().items;
    let why = |home: &Configuration| copy_back().why_vmx_comes(home, &items, "sql01.vmx");
    assert_eq!(why(&disks(&["sql01.vmdk"])), None);
    assert!(
        why(&disks(&["sql01.vmdk", "sql01-000001.vmdk"]))
            .unwrap()
            .contains("sql01-000001.vmdk")
    );
    assert!(why(&Configuration::Missing(String::new())).is_some());
}

#[test]
fn what_was_brought_is_done_though_the_vm_runs_again() {
    let Known::Is(mut there) = seen(PowerState::Off, PowerState::On, 0, None) else {
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
