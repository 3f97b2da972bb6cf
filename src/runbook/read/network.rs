//! Networks.

use indexmap::IndexMap;

use super::{Names, check_name, optional};
use crate::names::{HostName, NetworkName, SiteName};
use crate::runbook::model::{Network, PortGroup, PortGroupSpec};
use crate::runbook::reader::{At, Reader, Shape};

pub(in crate::runbook) const PORT_GROUP: Shape =
    Shape::new("a port group", &["portgroup", "vswitch"], &["vlan"]);

pub(super) fn networks<'a>(
    at: At<'a>,
    names: &Names,
    reader: &mut Reader<'a>,
) -> IndexMap<NetworkName, Network> {
    let mut networks = IndexMap::new();
    for entry in reader.entries(at, "the networks") {
        check_name(&entry, "network", reader);
        let network = network(entry.at, names, reader);
        networks.insert(NetworkName::from(entry.name), network);
    }
    networks
}

fn network<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Network {
    let mut network = Network::default();
    for entry in reader.entries(at, "a network") {
        match entry.name.as_str() {
            "drill" => network.drill = reader.text(entry.at),
            "probe_from" => network.probe_from = posix_host(reader, entry.at, names),
            site if names.sites.contains(site) => {
                if let Some(group) = port_group(entry.at, reader) {
                    network.at.insert(SiteName::from(site), group);
                }
            }
            other => {
                let known = names
                    .sites
                    .iter()
                    .map(String::as_str)
                    .chain(["drill", "probe_from"]);
                reader.unknown_key(entry.key, "site or key", other, "a network", known);
            }
        }
    }
    for required in names.sites.iter().map(String::as_str).chain(["drill"]) {
        if at.value.is_mapping() && at.value.get(required).is_none() {
            let message = if required == "drill" {
                "a network needs the key `drill`: what it is called in a drill".to_owned()
            } else {
                format!("a network needs the site `{required}`: what it is called there")
            };
            reader.report(at.node, message, "");
        }
    }
    network
}

/// A host that can ask a network for an address, or fetch a page.
pub(super) fn posix_host<'a>(
    reader: &mut Reader<'a>,
    at: At<'a>,
    names: &Names,
) -> Option<HostName> {
    let host: HostName = reader.reference(at, "host", &names.hosts)?;
    if names.posix_hosts.contains(host.as_str()) {
        return Some(host);
    }
    reader.report(
        at.node,
        format!("{host} cannot ask: it is not a posix host"),
        "name a host with `driver: posix`",
    );
    None
}

fn port_group<'a>(at: At<'a>, reader: &mut Reader<'a>) -> Option<PortGroup> {
    if !at.value.is_mapping() {
        return Some(PortGroup {
            name: reader.text(at)?,
            create: None,
        });
    }
    let fields = reader.fields(at, &PORT_GROUP)?;
    let name = optional(&fields, "portgroup", reader, Reader::text);
    let vswitch = optional(&fields, "vswitch", reader, Reader::text);
    let vlan = optional(&fields, "vlan", reader, |reader, at| {
        reader.number(at, "a VLAN", 0, 4095)
    });
    let vlan = u16::try_from(vlan.unwrap_or(0)).unwrap_or_default();
    Some(PortGroup {
        name: name?,
        create: Some(PortGroupSpec {
            vswitch: vswitch?,
            vlan,
        }),
    })
}
