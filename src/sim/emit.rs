//! A runbook with the addresses of a running site, which real clients can drive.

use serde_yaml::{Mapping, Value};

use super::Site;
use super::build::split_url;
use super::error::SimError;
use crate::names::{BackupName, HostName};
use crate::runbook::model::BackupTool;

fn key(name: &str) -> Value {
    Value::String(name.to_owned())
}

fn mapping<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Mapping> {
    value.get_mut(name)?.as_mapping_mut()
}

/// The runbook's text with every address mapped to loopback.
///
/// # Errors
/// The text is no YAML mapping, or cannot be written again.
pub(super) fn emit(site: &Site, source: &str) -> Result<String, SimError> {
    let unreadable = |error: serde_yaml::Error| SimError::Emit(error.to_string());
    let mut root: Value = serde_yaml::from_str(source).map_err(unreadable)?;
    root.apply_merge().map_err(unreadable)?;
    if !root.is_mapping() {
        return Err(SimError::Emit("the runbook is not a mapping".into()));
    }
    map_hosts(site, &mut root);
    map_backups(site, &mut root);
    map_vms(site, &mut root);
    drop_unused_secrets(&mut root);
    serde_yaml::to_string(&root).map_err(unreadable)
}

fn map_hosts(site: &Site, root: &mut Value) {
    let Some(hosts) = mapping(root, "hosts") else {
        return;
    };
    for (name, host) in hosts {
        let endpoint = name
            .as_str()
            .and_then(|name| site.endpoint(&HostName::from(name)));
        let (Some(endpoint), Some(host)) = (endpoint, host.as_mapping_mut()) else {
            continue;
        };
        host.remove("jump");
        host.insert(key("address"), key(&endpoint.address.to_string()));
        host.insert(key("user"), key(&endpoint.user));
        let keys = endpoint.host_keys.iter().map(|print| key(print)).collect();
        host.insert(key("host_key"), Value::Sequence(keys));
        let mut auth = Mapping::new();
        auth.insert(key("key"), key(&endpoint.key_file.to_string_lossy()));
        host.insert(key("auth"), Value::Sequence(vec![Value::Mapping(auth)]));
    }
}

fn map_backups(site: &Site, root: &mut Value) {
    let Some(backups) = mapping(root, "backups") else {
        return;
    };
    for (name, backup) in backups {
        let path = name
            .as_str()
            .and_then(|name| site.backup_path(&BackupName::from(name)));
        let (Some(path), Some(backup)) = (path, backup.as_mapping_mut()) else {
            continue;
        };
        let tool = ["restic", "borg", "command"]
            .into_iter()
            .find(|tool| backup.contains_key(tool));
        if !backup.contains_key("host") {
            backup.clear();
            backup.insert(key("path"), key(&path.to_string_lossy()));
        } else if let Some(tool) = tool {
            backup.remove(tool);
            let name = BackupName::from(name.as_str().unwrap_or_default());
            backup.insert(key("command"), packed(&Site::packed(&name)));
        }
    }
}

fn packed(tool: &BackupTool) -> Value {
    let words = |words: &[String]| Value::Sequence(words.iter().map(|word| key(word)).collect());
    let mut command = Mapping::new();
    command.insert(key("points"), words(&tool.points));
    command.insert(key("files"), words(&tool.files));
    command.insert(key("file"), words(&tool.file));
    Value::Mapping(command)
}

fn map_vms(site: &Site, root: &mut Value) {
    let Some(vms) = mapping(root, "vms") else {
        return;
    };
    for (name, vm) in vms {
        let Some(vm) = vm.as_mapping_mut() else {
            continue;
        };
        let guest = name.as_str().and_then(|name| site.guests.get(name));
        let first = guest
            .and_then(|guest| guest.addresses.first())
            .map(|(_, address)| address.clone());
        if let Some(rungs) = vm.get_mut("ready").and_then(Value::as_sequence_mut) {
            for rung in rungs {
                if let Some(rung) = rung.as_mapping_mut() {
                    map_rung(site, rung, first.as_deref());
                }
            }
        }
        let Some(adapters) = vm.get_mut("adapters").and_then(Value::as_mapping_mut) else {
            continue;
        };
        for (_, adapter) in adapters {
            if let Some(Value::String(address)) = adapter.get_mut("address") {
                *address = loopback(address);
            }
        }
    }
}

/// An address of a guest as one of loopback, different guests staying different.
fn loopback(address: &str) -> String {
    let bare = address.split('/').next().unwrap_or(address);
    let mut parts: Vec<&str> = bare.split('.').collect();
    match parts.first_mut() {
        Some(first) if bare.parse::<std::net::Ipv4Addr>().is_ok() => {
            *first = "127";
            format!("{}/8", parts.join("."))
        }
        _ => "127.0.0.1/8".to_owned(),
    }
}

fn map_rung(site: &Site, rung: &mut Mapping, first: Option<&str>) {
    if let Some(value) = rung.get_mut("tcp") {
        let (host, port) = match value {
            Value::Number(port) => (
                first.map(str::to_owned),
                port.as_u64().and_then(|port| u16::try_from(port).ok()),
            ),
            Value::String(text) => match text.rsplit_once(':') {
                Some((host, port)) => (
                    Some(host.trim_matches(['[', ']']).to_owned()),
                    port.parse().ok(),
                ),
                None => (first.map(str::to_owned), text.parse().ok()),
            },
            _ => (None, None),
        };
        if let (Some(host), Some(port)) = (host, port)
            && let Some(real) = site.guest_address(&host, port)
        {
            *value = key(&real.to_string());
        }
    }
    if let Some(Value::String(url)) = rung.get_mut("http")
        && let Some((host, port, path)) = split_url(url)
        && let Some(real) = site.guest_address(&host, port)
    {
        *url = format!("http://{real}{path}");
    }
}

/// Secret variables that nothing asks for any more, since the login key takes their place.
fn drop_unused_secrets(root: &mut Value) {
    let Some(variables) = root.get("variables").and_then(Value::as_mapping) else {
        return;
    };
    let secrets: Vec<String> = variables
        .iter()
        .filter(|(_, variable)| variable.get("secret").and_then(Value::as_bool) == Some(true))
        .filter_map(|(name, _)| name.as_str().map(str::to_owned))
        .collect();
    let text = serde_yaml::to_string(&root).unwrap_or_default();
    if let Some(variables) = mapping(root, "variables") {
        for secret in secrets {
            if !text.contains(&format!("${{{secret}}}")) {
                variables.remove(secret.as_str());
            }
        }
    }
}
