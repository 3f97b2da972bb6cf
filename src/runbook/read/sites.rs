//! Sites and hosts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use indexmap::IndexMap;

use super::{Names, check_name, optional};
use crate::names::{HostName, SiteName, VariableName};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{AtOnce, Auth, Driver, Hop, Host, HostAddress, Site, SiteRole};
use crate::runbook::reader::{At, Fields, Reader, Shape, did_you_mean, kind_of};
use crate::runbook::template::{self, Part};
use crate::runbook::values;

pub(in crate::runbook) const SITE: Shape =
    Shape::new("a site", &["role"], &["title", "datastores"]);
pub(in crate::runbook) const DATASTORE: Shape = Shape::new("a datastore", &["transfers"], &[]);
pub(in crate::runbook) const HOST: Shape = Shape::new(
    "a host",
    &["site", "driver", "address"],
    &[
        "user",
        "auth",
        "host_key",
        "jump",
        "guest",
        "transfers",
        "steps",
        "bulk_session",
    ],
);
pub(in crate::runbook) const KEY_LOGIN: Shape =
    Shape::new("a way to log in", &[], &["key", "password"]);

pub(in crate::runbook) const ROLES: [(&str, SiteRole); 2] = [
    ("protected", SiteRole::Protected),
    ("recovery", SiteRole::Recovery),
];
pub(in crate::runbook) const DRIVERS: [(&str, Driver); 2] =
    [("esxi", Driver::Esxi), ("posix", Driver::Posix)];
/// Steps that move disks that a host may be given at a time. Each takes two channels of the session
/// for bulk data, of which a host has ten.
pub(in crate::runbook) const MOST_TRANSFERS: u64 = 4;
/// Other steps that a host may be given at a time.
pub(in crate::runbook) const MOST_STEPS: u64 = 8;
const LATER_DRIVERS: [&str; 3] = ["esx3", "libvirt", "hyperv"];

/// Site names that would be taken for keys of a network.
const NETWORK_KEYS: [&str; 2] = ["drill", "probe_from"];

pub(super) fn sites<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<IndexMap<SiteName, Site>> {
    let mut sites = IndexMap::new();
    for entry in reader.entries(at, "the sites") {
        check_name(&entry, "site", reader);
        if NETWORK_KEYS.contains(&entry.name.as_str()) {
            let message = format!(
                "`{}` is a key of networks and cannot name a site",
                entry.name
            );
            reader.report(entry.key, message, "choose another name");
        }
        let Some(fields) = reader.fields(entry.at, &SITE) else {
            continue;
        };
        let title = optional(&fields, "title", reader, Reader::text);
        let role = optional(&fields, "role", reader, |reader, at| {
            reader.one_of(at, "role", &ROLES, &[])
        });
        let transfers_onto = optional(&fields, "datastores", reader, datastores);
        let Some(role) = role else { continue };
        let site = Site {
            role,
            title: title.unwrap_or_else(|| entry.name.clone()),
            transfers_onto: transfers_onto.unwrap_or_default(),
        };
        sites.insert(SiteName::from(entry.name), site);
    }
    Some(sites)
}

fn datastores<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<BTreeMap<String, usize>> {
    let mut most = BTreeMap::new();
    for entry in reader.entries(at, "the datastores") {
        let fields = reader.fields(entry.at, &DATASTORE);
        let transfers =
            fields.and_then(|fields| at_once(&fields, "transfers", MOST_TRANSFERS, reader));
        most.extend(transfers.map(|transfers| (entry.name, transfers)));
    }
    Some(most)
}

pub(super) fn hosts<'a>(
    at: At<'a>,
    names: &Names,
    reader: &mut Reader<'a>,
) -> IndexMap<HostName, Host> {
    let mut hosts = IndexMap::new();
    for entry in reader.entries(at, "the hosts") {
        check_name(&entry, "host", reader);
        if let Some(host) = host(entry.at, names, reader) {
            hosts.insert(HostName::from(entry.name), host);
        }
    }
    hosts
}

fn host<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Host> {
    let fields = reader.fields(at, &HOST)?;
    let site = optional(&fields, "site", reader, |reader, at| {
        reader.reference(at, "site", &names.sites)
    });
    let driver = optional(&fields, "driver", reader, |reader, at| {
        reader.one_of(at, "driver", &DRIVERS, &LATER_DRIVERS)
    });
    let address = optional(&fields, "address", reader, address);
    let user = optional(&fields, "user", reader, Reader::text);
    let auth = optional(&fields, "auth", reader, |reader, at| {
        logins(at, names, reader)
    });
    let host_key = optional(&fields, "host_key", reader, host_keys);
    let jump = optional(&fields, "jump", reader, |reader, at| {
        hops(at, names, reader)
    });
    let guest = optional(&fields, "guest", reader, |reader, at| {
        reader.reference(at, "VM", &names.vms)
    });
    let usual = AtOnce::default();
    let at_once = AtOnce {
        transfers: at_once(&fields, "transfers", MOST_TRANSFERS, reader).unwrap_or(usual.transfers),
        steps: at_once(&fields, "steps", MOST_STEPS, reader).unwrap_or(usual.steps),
    };
    let bulk_session = optional(&fields, "bulk_session", reader, Reader::flag);
    let (address, port_given) = address?;
    Some(Host {
        guest,
        at_once,
        bulk_session: bulk_session.unwrap_or(true),
        site: site?,
        driver: driver?,
        address,
        port_given,
        user_given: user.is_some(),
        user: user.unwrap_or_else(|| "root".to_owned()),
        auth: auth.unwrap_or_default(),
        host_key: host_key.unwrap_or_default(),
        jump,
        notes: Vec::new(),
    })
}

/// How many steps of a kind the host may be given at a time.
fn at_once<'a>(
    fields: &Fields<'a>,
    key: &str,
    most: u64,
    reader: &mut Reader<'a>,
) -> Option<usize> {
    let number = optional(fields, key, reader, |reader, at| {
        reader.number(at, key, 1, most)
    });
    number.and_then(|number| usize::try_from(number).ok())
}

fn hops<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for at in reader.list(at, "hops")? {
        hops.extend(hop(at, names, reader));
    }
    Some(hops)
}

/// A host of the runbook, or `user@host:port` with any of these.
fn hop<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Hop> {
    let written = reader.text(at)?;
    if names.hosts.contains(&written) {
        return Some(Hop::Host(HostName::from(written)));
    }
    let (user, place) = match written.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, written.as_str()),
    };
    if let Some(user) = user
        && (user.is_empty() || user.contains(|c: char| c.is_whitespace() || c == '@'))
    {
        reader.report(
            at.node,
            "not a user's name before the @",
            "write user@host:port",
        );
        return None;
    }
    if place == written && !written.contains(['.', ':']) {
        let hint = did_you_mean(&written, names.hosts.iter().map(String::as_str));
        if hint.starts_with("did you mean") {
            let message = format!("`{}` is no host of this runbook", visible(&written));
            let hint = format!(
                "{hint} An alias of ~/.ssh/config that looks like it is written with its user, or with :22"
            );
            reader.report(at.node, message, &hint);
            return None;
        }
    }
    match values::parse_address_and_port(place) {
        Ok((host, port)) => Some(Hop::Machine {
            user: user.map(str::to_owned),
            host,
            port,
            written,
        }),
        Err((message, hint)) => {
            reader.report(at.node, message, hint);
            None
        }
    }
}

/// The address, and whether it has a port of its own.
fn address<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<(HostAddress, bool)> {
    let text = reader.text(at)?;
    match values::parse_address_and_port(&text) {
        Ok((host, port)) => {
            let given = port.is_some();
            let port = port.unwrap_or(values::SSH_PORT);
            Some((HostAddress { host, port }, given))
        }
        Err((message, hint)) => {
            reader.report(at.node, message, hint);
            None
        }
    }
}

fn logins<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Vec<Auth>> {
    let mut logins = Vec::new();
    for at in reader.list(at, "ways to log in")? {
        logins.extend(login(at, names, reader));
    }
    Some(logins)
}

fn login<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Auth> {
    const HINT: &str =
        "there are: agent, { key: ~/.ssh/id_rsa }, { password: \"${root_password}\" }";
    if let Some(word) = at.value.as_str() {
        if word == "agent" {
            return Some(Auth::Agent);
        }
        reader.report(
            at.node,
            format!("unknown way to log in `{}`", visible(word)),
            HINT,
        );
        return None;
    }
    if !at.value.is_mapping() {
        let message = format!("expected a way to log in, found {}", kind_of(at.value));
        reader.report(at.node, message, HINT);
        return None;
    }
    let fields = reader.fields(at, &KEY_LOGIN)?;
    match (fields.get("key"), fields.get("password")) {
        (Some(at), None) => Some(Auth::Key(PathBuf::from(reader.text(at)?))),
        (None, Some(at)) => password(at, names, reader),
        (Some(_), Some(_)) => {
            reader.report(at.node, "two ways to log in under one dash", HINT);
            None
        }
        (None, None) => {
            reader.report(at.node, "no way to log in", HINT);
            None
        }
    }
}

fn password<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<Auth> {
    secret(at, names, reader).map(Auth::Password)
}

/// Only the name of a secret may stand here, written `"${name}"`: a password in the file would be
/// read by everybody.
pub(super) fn secret<'a>(
    at: At<'a>,
    names: &Names,
    reader: &mut Reader<'a>,
) -> Option<VariableName> {
    const HINT: &str = "declare a variable with `secret: true` and write password: \"${its_name}\"";
    let text = reader.raw_text(at)?;
    let parts = template::parts(text).unwrap_or_default();
    let name = parts.iter().find_map(|part| match part {
        Part::Name(name, span) if span.len() == text.len() => Some(*name),
        _ => None,
    });
    let Some(name) = name else {
        reader.report(at.node, "a password does not stand in a runbook", HINT);
        return None;
    };
    match names.variables.get(name) {
        Some(true) => Some(VariableName::from(name)),
        Some(false) => {
            let message = format!("the variable `{name}` is not a secret");
            reader.report(at.node, message, "give it `secret: true`");
            None
        }
        None => {
            let secrets = names.variables.iter().filter(|(_, secret)| **secret);
            reader.unknown(
                at.node,
                "variable",
                name,
                secrets.map(|(name, _)| name.as_str()),
            );
            None
        }
    }
}

fn host_keys<'a>(reader: &mut Reader<'a>, at: At<'a>) -> Option<Vec<String>> {
    let items = if at.value.is_sequence() {
        reader.list(at, "host keys")?
    } else {
        vec![at]
    };
    let mut keys = Vec::new();
    for at in items {
        let Some(text) = reader.text(at) else {
            continue;
        };
        if is_fingerprint(&text) {
            keys.push(text);
        } else {
            let hint = "it is what `ssh-keygen -lf` prints: SHA256: and 43 characters";
            reader.report(at.node, "not a SHA-256 fingerprint of a host key", hint);
        }
    }
    Some(keys)
}

fn is_fingerprint(text: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    text.strip_prefix("SHA256:")
        .is_some_and(|sum| sum.len() == 43 && sum.chars().all(base64))
}
