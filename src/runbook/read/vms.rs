//! Virtual machines and physical servers.

use std::time::Duration;

use indexmap::IndexMap;

use super::network::posix_host;
use super::{Names, check_name, optional};
use crate::names::{HostName, NetworkName, VmName};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{Adapter, Consistency, DiskFormat, MacPolicy, Place, Rung, Vm};
use crate::runbook::reader::{At, Entry, Fields, Reader, Shape};
use crate::runbook::values;

pub(in crate::runbook) const VM: Shape = Shape::new(
    "a VM",
    &["recovery"],
    &[
        "title",
        "tier",
        "priority",
        "needs",
        "protected",
        "physical",
        "backup",
        "consistency",
        "adapters",
        "ready",
        "rto",
        "rpo",
        "role",
    ],
);
pub(in crate::runbook) const PHYSICAL: Shape = Shape::new("a physical server", &["address"], &[]);
const PLACE: Shape = Shape::new(
    "a place",
    &["host", "datastore"],
    &["folder", "vmx", "disk"],
);
pub(in crate::runbook) const LOOSE_PLACE: Shape = Shape::new(
    "a place",
    &["host"],
    &["datastore", "folder", "vmx", "disk"],
);
pub(in crate::runbook) const ADAPTER: Shape = Shape::new(
    "an adapter",
    &["network"],
    &["mac", "address", "duplicate_probe"],
);
pub(in crate::runbook) const TCP: Shape = Shape::new("a tcp rung", &["tcp"], &[]);
pub(in crate::runbook) const HTTP: Shape =
    Shape::new("an http rung", &["http"], &["status", "from"]);

pub(in crate::runbook) const CONSISTENCIES: [(&str, Consistency); 4] = [
    ("crash", Consistency::Crash),
    ("filesystem", Consistency::Filesystem),
    ("application", Consistency::Application),
    ("powered-off", Consistency::PoweredOff),
];
pub(in crate::runbook) const DISKS: [(&str, DiskFormat); 3] = [
    ("thin", DiskFormat::Thin),
    ("zeroedthick", DiskFormat::ZeroedThick),
    ("eagerzeroedthick", DiskFormat::EagerZeroedThick),
];
pub(in crate::runbook) const MACS: [(&str, MacPolicy); 2] =
    [("keep", MacPolicy::Keep), ("generate", MacPolicy::Generate)];

/// Where a VM without one stands among the priorities 1 to 5.
const DEFAULT_PRIORITY: u8 = 3;

pub(super) fn vms<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> IndexMap<VmName, Vm> {
    let mut vms = IndexMap::new();
    for entry in reader.entries(at, "the VMs") {
        let name = VmName::from(entry.name.as_str());
        if Vm::is_pattern(&name) {
            check_pattern(&entry, reader);
        } else {
            check_name(&entry, "VM", reader);
        }
        if let Some(vm) = vm(&entry, &name, names, reader) {
            vms.insert(name, vm);
        }
    }
    vms
}

fn check_pattern(entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let plain: String = entry.name.chars().filter(|c| *c != '*').collect();
    if !plain.is_empty() && !values::is_name(&format!("a{plain}")) {
        let message = "a pattern has letters, digits, dots, hyphens, underscores and `*`";
        reader.report(entry.key, message, "");
    }
}

fn vm<'a>(entry: &Entry<'a>, name: &VmName, names: &Names, reader: &mut Reader<'a>) -> Option<Vm> {
    let fields = reader.fields(entry.at, &VM)?;
    let role = optional(&fields, "role", reader, |reader, at| {
        reader.one_of(at, "role", &[("expendable", ())], &[])
    });
    let expendable = role.is_some();
    if Vm::is_pattern(name) && fields.get("role").is_none() {
        let message =
            "a name with `*` stands for many VMs, and only expendable ones may be so named";
        reader.report(entry.key, message, "add `role: expendable`, or name one VM");
    }
    let place = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            place(at, name, expendable, names, reader)
        })
    };
    let number = |key: &str, most: u64, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| {
            reader.number(at, key, 1, most)
        })
    };
    let duration = |key: &str, reader: &mut Reader<'a>| -> Option<Duration> {
        optional(&fields, key, reader, Reader::duration)
    };
    let title = optional(&fields, "title", reader, Reader::text);
    let priority = number("priority", 5, reader).and_then(|n| u8::try_from(n).ok());
    let ready = optional(&fields, "ready", reader, |reader, at| {
        rungs(at, names, reader)
    });
    Some(Vm {
        title: title.unwrap_or_else(|| name.to_string()),
        tier: number("tier", 1_000, reader).and_then(|n| u32::try_from(n).ok()),
        priority: priority.unwrap_or(DEFAULT_PRIORITY),
        needs: optional(&fields, "needs", reader, |reader, at| {
            needs(at, names, reader)
        })
        .unwrap_or_default(),
        protected: place("protected", reader),
        recovery: place("recovery", reader),
        physical: physical(&fields, reader),
        backup: optional(&fields, "backup", reader, |reader, at| {
            reader.reference(at, "backup", &names.backups)
        }),
        consistency: optional(&fields, "consistency", reader, |reader, at| {
            reader.one_of(at, "consistency", &CONSISTENCIES, &[])
        }),
        adapters: optional(&fields, "adapters", reader, |reader, at| {
            Some(adapters(at, names, reader))
        })
        .unwrap_or_default(),
        ready: ready.unwrap_or_else(|| vec![Rung::Tools]),
        rto: duration("rto", reader),
        rpo: duration("rpo", reader),
        expendable,
    })
}

fn needs<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Vec<VmName>> {
    let mut needs: Vec<VmName> = Vec::new();
    for at in reader.list(at, "VMs")? {
        let Some(vm) = reader.reference::<VmName>(at, "VM", &names.vms) else {
            continue;
        };
        if needs.contains(&vm) {
            reader.report(
                at.node,
                format!("`{vm}` stands twice in this list"),
                "remove one of them",
            );
        } else {
            needs.push(vm);
        }
    }
    Some(needs)
}

fn physical<'a>(fields: &Fields<'a>, reader: &mut Reader<'a>) -> Option<String> {
    let physical = reader.fields(fields.get("physical")?, &PHYSICAL)?;
    if fields.get("protected").is_some() {
        let message = "a physical server has no `protected` place on a hypervisor";
        reader.report(
            fields.key("protected"),
            message,
            "remove `protected`, or `physical`",
        );
    }
    let at = physical.get("address")?;
    let text = reader.text(at)?;
    match values::parse_address(&text) {
        Ok(_) => Some(text),
        Err((message, hint)) => {
            reader.report(at.node, message, hint);
            None
        }
    }
}

fn place<'a>(
    at: At<'a>,
    name: &VmName,
    expendable: bool,
    names: &Names,
    reader: &mut Reader<'a>,
) -> Option<Place> {
    let fields = reader.fields(at, if expendable { &LOOSE_PLACE } else { &PLACE })?;
    let host = optional(&fields, "host", reader, |reader, at| {
        reader.reference(at, "host", &names.hosts)
    });
    let datastore = optional(&fields, "datastore", reader, |reader, at| {
        let text = reader.text(at)?;
        one_folder(at, &text, reader).then_some(text)
    });
    let folder = optional(&fields, "folder", reader, |reader, at| {
        let text = reader.text(at)?;
        one_folder(at, &text, reader).then_some(text)
    });
    let disk = optional(&fields, "disk", reader, |reader, at| {
        reader.one_of(at, "disk", &DISKS, &[])
    });
    let vmx = optional(&fields, "vmx", reader, vmx);
    let (vmx_folder, vmx) = vmx.map_or((None, None), |(folder, file)| (folder, Some(file)));
    if let (Some(folder), Some(other)) = (&folder, &vmx_folder)
        && folder != other
    {
        let message = format!(
            "`folder` says {}, and `vmx` says {}",
            visible(folder),
            visible(other)
        );
        reader.report(fields.key("vmx"), message, "give the folder once");
    }
    Some(Place {
        host: host?,
        datastore: datastore.unwrap_or_default(),
        folder: folder.or(vmx_folder).unwrap_or_else(|| name.to_string()),
        vmx,
        disk,
    })
}

/// `folder/file.vmx` or `file.vmx`.
fn vmx<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<(Option<String>, String)> {
    let text = reader.text(at)?;
    let (folder, file) = match text.split_once('/') {
        Some((folder, file)) => (Some(folder), file),
        None => (None, text.as_str()),
    };
    if !file.ends_with(".vmx") || file == ".vmx" || file.contains('/') || folder == Some("") {
        let message = format!("`{}` is not a .vmx on a datastore", visible(&text));
        reader.report(
            at.node,
            message,
            "write folder/name.vmx, without /vmfs/volumes and the datastore",
        );
        return None;
    }
    let folder_ok = folder.is_none_or(|folder| one_folder(at, folder, reader));
    folder_ok.then(|| (folder.map(str::to_owned), file.to_owned()))
}

/// A name that is one level of a path, and does not lead out of it.
fn one_folder(at: At<'_>, text: &str, reader: &mut Reader<'_>) -> bool {
    let bad =
        text.contains('/') || matches!(text, "." | "..") || text.chars().any(char::is_control);
    if bad {
        let message = format!("`{}` is not the name of one folder", visible(text));
        reader.report(at.node, message, "write a single name without `/`");
    }
    !bad
}

fn adapters<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> IndexMap<String, Adapter> {
    let mut adapters = IndexMap::new();
    for entry in reader.entries(at, "the adapters") {
        let number = entry
            .name
            .strip_prefix("ethernet")
            .and_then(|n| n.parse::<u8>().ok());
        if number.is_none_or(|n| n > 9) {
            let message = format!("`{}` is not an adapter", visible(&entry.name));
            reader.report(
                entry.key,
                message,
                "adapters are called ethernet0 to ethernet9, as in the .vmx",
            );
        }
        if let Some(adapter) = adapter(entry.at, names, reader) {
            adapters.insert(entry.name, adapter);
        }
    }
    adapters
}

fn adapter<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Adapter> {
    let network = |reader: &mut Reader<'a>, at: At<'a>| -> Option<NetworkName> {
        reader.reference(at, "network", &names.networks)
    };
    if !at.value.is_mapping() {
        return Some(Adapter {
            network: network(reader, at)?,
            mac: MacPolicy::default(),
            address: None,
            prefix: None,
            duplicate_probe: true,
        });
    }
    let fields = reader.fields(at, &ADAPTER)?;
    let network = optional(&fields, "network", reader, network);
    let mac = optional(&fields, "mac", reader, |reader, at| {
        reader.one_of(at, "MAC policy", &MACS, &[])
    });
    let address = optional(&fields, "address", reader, |reader, at| {
        let text = reader.text(at)?;
        let parsed = values::parse_guest_address(&text);
        if parsed.is_none() {
            let message = format!("`{}` is not an IP address", visible(&text));
            reader.report(at.node, message, "write for example 10.20.0.11/24");
        }
        parsed
    });
    let no_probe = optional(&fields, "duplicate_probe", reader, |reader, at| {
        reader.one_of(at, "duplicate_probe", &[("none", ())], &[])
    });
    Some(Adapter {
        network: network?,
        mac: mac.unwrap_or_default(),
        address: address.map(|(address, _)| address),
        prefix: address.and_then(|(_, prefix)| prefix),
        duplicate_probe: no_probe.is_none(),
    })
}

fn rungs<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Vec<Rung>> {
    let items = reader.list(at, "rungs")?;
    if items.is_empty() {
        reader.report(
            at.node,
            "an empty ladder would prove nothing",
            "write at least [tools]",
        );
    }
    let mut rungs = Vec::new();
    for at in items {
        rungs.extend(rung(at, names, reader));
    }
    Some(rungs)
}

fn rung<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Rung> {
    if at.value.get("tcp").is_some() {
        let fields = reader.fields(at, &TCP)?;
        return tcp(fields.get("tcp")?, reader);
    }
    if at.value.get("http").is_some() {
        let fields = reader.fields(at, &HTTP)?;
        let (url, status, from) = http_target(&fields, names, reader)?;
        return Some(Rung::Http { url, status, from });
    }
    if at.value.as_str() == Some("tools") {
        return Some(Rung::Tools);
    }
    let hint =
        "there are: tools, { tcp: 1433 }, { http: \"http://10.20.0.12/health\", status: 200 }";
    let written = at
        .value
        .as_str()
        .map_or("of this kind".to_owned(), |t| format!("`{}`", visible(t)));
    reader.report(at.node, format!("unknown rung {written}"), hint);
    None
}

fn tcp<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<Rung> {
    if at.value.is_number() {
        let port = reader.number(at, "a port", 1, 65_535)?;
        return Some(Rung::Tcp {
            host: None,
            port: u16::try_from(port).ok()?,
        });
    }
    let text = reader.text(at)?;
    let (host, port) = host_and_port(at, &text, reader)?;
    let Some(port) = port else {
        let hint = "write 1433 or \"10.20.0.11:1433\"";
        reader.report(at.node, "a tcp rung needs a port", hint);
        return None;
    };
    Some(Rung::Tcp {
        host: Some(host),
        port,
    })
}

/// A host, and the port that it is written with.
pub(super) fn host_and_port(
    at: At<'_>,
    text: &str,
    reader: &mut Reader<'_>,
) -> Option<(String, Option<u16>)> {
    let parsed = values::parse_address_and_port(text);
    parsed
        .map_err(|(message, hint)| reader.report(at.node, message, hint))
        .ok()
}

/// What a rung or a probe asks by http: the address, the status that is expected, and who asks.
pub(super) fn http_target<'a>(
    fields: &Fields<'a>,
    names: &Names,
    reader: &mut Reader<'a>,
) -> Option<(String, u16, Option<HostName>)> {
    let url = optional(fields, "http", reader, url);
    let status = optional(fields, "status", reader, |reader, at| {
        reader.number(at, "an HTTP status", 100, 599)
    });
    let from = optional(fields, "from", reader, |reader, at| {
        posix_host(reader, at, names)
    });
    let status = u16::try_from(status.unwrap_or(200)).unwrap_or(200);
    Some((url?, status, from))
}

/// An `http://` address.
fn url<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<String> {
    let text = reader.text(at)?;
    if text.starts_with("https://") {
        reader.later(at.node, "scheme", "https");
        return None;
    }
    let authority = text
        .strip_prefix("http://")
        .map(|rest| rest.split('/').next().unwrap_or(rest));
    let plain = text.chars().all(|c| c.is_ascii_graphic());
    let has_host = authority.is_some_and(|authority| values::parse_address(authority).is_ok());
    if !(plain && has_host) {
        let message = format!("`{}` is not an http address", visible(&text));
        reader.report(
            at.node,
            message,
            "write for example http://10.20.0.12/health",
        );
        return None;
    }
    Some(text)
}
