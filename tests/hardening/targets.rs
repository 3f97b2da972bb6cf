//! What is fuzzed: one line for each reader.

use lifeboat::host::{Output, Redactor, sanitise};
use lifeboat::hypervisor::esxi::{
    autostart, devices, faults, guest, host_summary, inventory, locks, network, power, process,
    question, storage, summary, table, tasks, uuid, value, version, vm_inventory, vmkfstools,
};
use lifeboat::hypervisor::{DriverFault, shell};
use lifeboat::transfer::{Stamp, is_plain_name, parse_sums};
use lifeboat::vmfiles::{Descriptor, Vmsd, Vmx, diff};
use lifeboat::{journal, runbook};
use sha2::{Digest, Sha256};

/// One reader of what others wrote.
pub struct Target {
    pub name: &'static str,
    /// The folder of its seeds.
    pub family: &'static str,
    /// Reads; whether it took the input. Panics where something does not hold.
    pub read: fn(&[u8]) -> bool,
    /// How many times fewer inputs it gets, being slow.
    pub cost: u64,
}

const fn target(name: &'static str, family: &'static str, read: fn(&[u8]) -> bool) -> Target {
    Target {
        name,
        family,
        read,
        cost: 1,
    }
}

pub const TARGETS: &[Target] = &[
    target("autostart", "replies", |b| {
        reply(b, autostart::AutostartEntry::parse_all)
    }),
    target("devices", "replies", |b| reply(b, devices::Devices::parse)),
    target("faults", "replies", |b| {
        reply(b, |output| {
            faults::check(output).and(faults::check_silent(output))
        })
    }),
    target("guest", "replies", |b| reply(b, guest::Guest::parse)),
    target("host_summary", "replies", |b| {
        reply(b, |output| {
            host_summary::HostSummary::parse(output).map(|summary| summary.cpu_percent())
        })
    }),
    target("inventory", "replies", |b| {
        reply(b, inventory::Inventory::parse)
    }),
    target("registered", "replies", |b| {
        reply(b, inventory::Registered::parse)
    }),
    target("locks", "replies", |b| reply(b, locks::Lock::parse)),
    target("portgroups", "replies", |b| {
        reply(b, network::PortGroup::parse_all)
    }),
    target("vswitches", "replies", |b| {
        reply(b, network::Vswitch::parse_all)
    }),
    target("nics", "replies", |b| reply(b, network::Nic::parse_all)),
    target("power_reply", "replies", |b| {
        reply(b, |output| {
            power::PowerReply::parse(output, power::PowerState::On)
        })
    }),
    target("processes", "replies", |b| {
        reply(b, process::RunningVm::parse_all)
    }),
    target("question", "replies", |b| {
        reply(b, question::Question::parse)
    }),
    target("volumes", "replies", |b| reply(b, storage::Volumes::parse)),
    target("summary", "replies", |b| {
        reply(b, summary::VmSummary::parse)
    }),
    target("table", "replies", |b| {
        reply(b, |output| table::records(output, "a list"))
    }),
    target("task_keys", "replies", |b| reply(b, tasks::parse_keys)),
    target("task", "replies", |b| reply(b, tasks::Task::parse)),
    target("value", "replies", |b| {
        reply(b, |output| value::Value::parse(&output.text(), "a value"))
    }),
    target("uuid", "replies", |b| {
        let _ = uuid::BiosUuid::parse(&text(b));
        true
    }),
    target("version", "replies", |b| reply(b, version::Version::parse)),
    target("vm_inventory", "replies", |b| reply(b, vm_inventory::parse)),
    target("vmkfstools", "replies", |b| {
        let _ = vmkfstools::progress(&text(b));
        reply(b, |output| {
            vmkfstools::check(output).and(vmkfstools::check_chain(output))
        })
    }),
    target("sh_files", "replies", |b| {
        let found = reply(b, shell::Found::parse) | reply(b, shell::parse_free_space);
        found | reply(b, shell::entries)
    }),
    target("sh_changes", "replies", |b| {
        let moved = reply(b, shell::Renamed::parse) | reply(b, shell::Removed::parse);
        moved | reply(b, shell::FolderRemoval::parse) | reply(b, shell::check_quiet)
    }),
    target("sh_probes", "replies", |b| {
        let tools = [
            shell::TcpTool::Nc,
            shell::TcpTool::Bash,
            shell::TcpTool::Python3,
        ];
        let tcp = tools.map(|tool| reply(b, |output| shell::TcpAnswer::parse(tool, output)));
        tcp.contains(&true)
            | reply(b, shell::Ping::parse)
            | reply(b, |output| {
                shell::Seen::parse(output, std::time::Duration::from_secs(5))
            })
    }),
    target("sh_sums", "replies", |b| {
        reply(b, shell::Sha256::parse) | reply(b, shell::Trace::parse)
    }),
    target("vmx", "vmx", vmx),
    target("vmdk", "vmdk", |b| {
        let disk = Descriptor::parse(b);
        disk.map(|disk| (disk.capacity(), disk.files().count(), disk.runnable()))
            .is_ok()
    }),
    target("vmsd", "vmsd", |b| {
        Vmsd::parse(b).map(|list| list.count()).is_ok()
    }),
    target("sums", "sums", |b| {
        let sums = parse_sums(b).unwrap_or_default();
        assert!(
            sums.keys()
                .all(|name| is_plain_name(name) && !name.contains('/')),
            "{sums:?}"
        );
        true
    }),
    target("point_names", "names", |b| {
        let _ = text(b).parse::<Stamp>();
        true
    }),
    Target {
        cost: 5,
        ..target("runbook", "runbooks", read_runbook)
    },
    Target {
        cost: 5,
        ..target("journal", "journal", read_journal)
    },
    target("sanitise", "text", sanitises),
    target("redaction", "text", redacts),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A reply of a host. What is said of one that is refused goes to people: it has to be short and
/// without anything that controls a terminal.
fn reply<T>(bytes: &[u8], parse: impl Fn(&Output) -> Result<T, DriverFault>) -> bool {
    let mut read = false;
    for (status, stderr) in [(0, &b""[..]), (1, &bytes[..bytes.len() / 2])] {
        let output = Output {
            status,
            stdout: bytes.to_vec(),
            stderr: stderr.to_vec(),
            ..Output::default()
        };
        match parse(&output) {
            Ok(_) => read = true,
            Err(fault) => {
                let said = fault.to_string();
                assert!(said.len() < 8 << 10, "{} bytes: {said}", said.len());
                assert_eq!(sanitise::visible(&said), said, "{said:?}");
            }
        }
    }
    read
}

fn vmx(bytes: &[u8]) -> bool {
    let Ok(vmx) = Vmx::parse(bytes) else {
        return false;
    };
    assert_eq!(vmx.to_bytes(), bytes, "untouched bytes are kept");
    let _ = (
        vmx.disks(),
        vmx.adapters(),
        vmx.absolute_paths(),
        vmx.uuid_bios(),
        vmx.duplicates(),
    );
    let mut other = vmx.clone();
    if other.set("displayName", "a \"b\" |7c\n").is_ok() {
        let again = Vmx::parse(&other.to_bytes()).expect("what was written reads");
        assert_eq!(again.get("displayName").as_deref(), Some("a \"b\" |7c\n"));
        let _ = diff(&vmx, &other);
    }
    true
}

fn read_runbook(bytes: &[u8]) -> bool {
    match runbook::load("site.yaml", &text(bytes), &runbook::Limits::default()) {
        Ok(_) => true,
        Err(found) => {
            let shown = found.render(false);
            assert!(found.count() > 0 && !shown.is_empty());
            assert!(!shown.contains('\x1b'), "{shown:?}");
            false
        }
    }
}

/// A journal whose lines were damaged by somebody who can count sums: each is chained anew, so that
/// the damage gets past the hashes.
fn read_journal(bytes: &[u8]) -> bool {
    let mut prev = "0".repeat(64);
    let mut chained = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            chained.extend_from_slice(line);
            continue;
        };
        let body = text(line);
        let body = body.split(",\"prev\":").next().unwrap_or_default();
        let hashed = format!("{body},\"prev\":\"{prev}\"");
        prev = Sha256::digest(hashed.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        chained.extend_from_slice(format!("{hashed},\"hash\":\"{prev}\"}}\n").as_bytes());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let whole = [&chained[..], bytes];
    let read = whole.map(|bytes| {
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, bytes).expect("a journal");
        match journal::read(&path) {
            Ok(found) => {
                let state =
                    lifeboat::engine::RunState::fold(found.entries.iter().map(AsRef::as_ref));
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
                assert!(found.problem.is_some() || found.entries.len() == lines);
                state.info.is_some()
            }
            Err(error) => error.to_string().is_empty(),
        }
    });
    read[0]
}

fn sanitises(bytes: &[u8]) -> bool {
    let shown = sanitise::sanitise(bytes);
    assert_eq!(sanitise::visible(&shown), shown, "{shown:?}");
    assert!(
        !shown.contains(['\t', '\r', '\x1b']) && shown.len() <= bytes.len() * 8,
        "{shown:?}"
    );
    let mut lines = sanitise::Lines::default();
    let mut kept = 0;
    let mut count = |piece: sanitise::Piece| {
        let (sanitise::Piece::Line(text) | sanitise::Piece::Progress(text)) = piece;
        assert_eq!(sanitise::visible(&text), text);
        kept += text.len();
    };
    for chunk in bytes.chunks(7) {
        lines.feed(chunk, &mut count);
    }
    lines.finish(&mut count);
    true
}

/// The first part is the secret, the rest the text that it stands in, as it is and in pieces.
fn redacts(bytes: &[u8]) -> bool {
    let (secret, rest) = bytes.split_at(
        bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len() / 3),
    );
    let (secret, rest) = (
        text(&secret[..secret.len().min(4 << 10)]),
        text(&rest[..rest.len().min(16 << 10)]),
    );
    let redactor = Redactor::new();
    redactor.add(&secret);
    redactor.add("hunter22");
    let half = (0..=rest.len() / 2)
        .rev()
        .find(|at| rest.is_char_boundary(*at))
        .unwrap_or(0);
    let quoted = shell_words::quote(&secret);
    let shown = redactor.mask(&format!(
        "{}{secret}{}{quoted}",
        &rest[..half],
        &rest[half..]
    ));
    assert!(!shown.contains("hunter22"), "{shown:?}");
    // A short one is not masked; one that the mask itself holds cannot be told from it.
    if secret.len() >= 3 && !"***".contains(&secret) && !secret.contains('*') {
        assert!(!shown.contains(&secret), "{shown:?} shows {secret:?}");
    }
    true
}
