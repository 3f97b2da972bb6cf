//! Which key a host must show: fingerprints pinned in the runbook, else OpenSSH's known_hosts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::runbook::model::HostAddress;

use super::config::HostConfig;
use super::error::HostError;

/// Host key algorithms in the order in which they are asked for. SHA-1 signatures are not among
/// them, nor are certificates, whose authorities Lifeboat does not know.
const ALGORITHMS: [(&str, &str); 6] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
];

/// A key that a host showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownKey {
    pub(super) key_type: String,
    pub(super) fingerprint: String,
}

impl ShownKey {
    pub(super) fn new(blob: &[u8]) -> Self {
        Self {
            key_type: key_type(blob),
            fingerprint: fingerprint(blob),
        }
    }
}

/// `SHA256:…` as OpenSSH prints it.
fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// The first string inside a public key, which names its type.
fn key_type(blob: &[u8]) -> String {
    let name = blob.split_at_checked(4).and_then(|(length, rest)| {
        let length = u32::from_be_bytes(length.try_into().ok()?);
        rest.get(..usize::try_from(length).ok()?)
    });
    name.map_or_else(|| "unknown".to_owned(), super::sanitise::sanitise)
}

/// What is known about a host's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pins: Vec<String>,
    known: Vec<ShownKey>,
    /// Keys of the same host at the usual port. As with OpenSSH they count where none of the shown type is
    /// known for the port that is asked, and never against a key.
    portless: Vec<ShownKey>,
    revoked: Vec<String>,
}

impl Expected {
    /// Pins if there are any, else what the files say. Files are read anew for each connection,
    /// since a person may add a key in mid-run.
    pub(super) fn load(config: &HostConfig) -> Self {
        let mut expected = Self {
            // Some tools print the padding that OpenSSH leaves out.
            pins: config
                .host_keys
                .iter()
                .map(|pin| pin.trim_end_matches('=').to_owned())
                .collect(),
            ..Self::default()
        };
        if expected.pins.is_empty() {
            let names = Names::of(&config.address, config.host_key_alias.as_deref());
            for file in &config.known_hosts {
                if let Ok(bytes) = std::fs::read(super::config::expand_home(file)) {
                    expected.read_known_hosts(&String::from_utf8_lossy(&bytes), &names);
                }
            }
        }
        expected
    }

    fn read_known_hosts(&mut self, text: &str, names: &Names) {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace().peekable();
            let marker = words.next_if(|word| word.starts_with('@'));
            let (Some(hosts), Some(_), Some(key)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(blob) = STANDARD.decode(key) else {
                continue;
            };
            if hosts.starts_with('#') {
                continue;
            }
            let is_own = names_host(hosts, &names.own);
            let portless = names.portless.as_deref();
            if !is_own && !portless.is_some_and(|name| names_host(hosts, name)) {
                continue;
            }
            let key = ShownKey::new(&blob);
            match marker {
                None if is_own => self.known.push(key),
                None => self.portless.push(key),
                Some("@revoked") => self.revoked.push(key.fingerprint),
                Some(_) => {}
            }
        }
    }

    /// Whether pins decide, which do not tell the key's type.
    pub(super) fn by_pin(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Algorithms to ask the host for: known types first, so that it does not show a key of a type
    /// that nobody knows while it has one that somebody does. `spent` types are left out.
    pub(super) fn preference(&self, spent: &[String]) -> Option<String> {
        let is_of =
            |keys: &[ShownKey], key_type: &str| keys.iter().any(|key| key.key_type == key_type);
        let rank = |key_type: &str| {
            let (own, portless) = (
                is_of(&self.known, key_type),
                is_of(&self.portless, key_type),
            );
            (!own, !portless)
        };
        let mut algorithms: Vec<_> = ALGORITHMS
            .iter()
            .filter(|(_, key_type)| !spent.iter().any(|other| other == key_type))
            .collect();
        algorithms.sort_by_key(|(_, key_type)| rank(key_type));
        let names: Vec<_> = algorithms.into_iter().map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(","))
    }

    /// Whether the host may go on with the key that it showed. `trusted` are fingerprints that a
    /// person typed in this run.
    pub(super) fn judge(&self, shown: &ShownKey, trusted: &[String]) -> Result<(), HostError> {
        let ShownKey {
            key_type,
            fingerprint,
        } = shown.clone();
        let is_shown = |other: &String| *other == fingerprint;
        if self.revoked.iter().any(is_shown) {
            let known = vec!["this key is marked @revoked in known_hosts".to_owned()];
            return Err(HostError::HostKeyChanged {
                fingerprint,
                key_type,
                known,
            });
        }
        if trusted.iter().chain(&self.pins).any(is_shown) || self.known.contains(shown) {
            return Ok(());
        }
        let same_type = |key: &ShownKey| key.key_type == key_type;
        let changed = self.by_pin() || self.known.iter().any(same_type);
        if !changed && self.portless.contains(shown) {
            return Ok(());
        }
        let known = if self.by_pin() {
            self.pins.clone()
        } else {
            self.known
                .iter()
                .map(|key| format!("{} {}", key.key_type, key.fingerprint))
                .collect()
        };
        Err(if changed {
            HostError::HostKeyChanged {
                fingerprint,
                key_type,
                known,
            }
        } else {
            HostError::HostKeyUnknown {
                fingerprint,
                key_type,
                known,
            }
        })
    }
}

/// Under which names a host's keys stand in known_hosts.
struct Names {
    own: String,
    /// The host alone, where the own name has a port.
    portless: Option<String>,
}

impl Names {
    fn of(address: &HostAddress, alias: Option<&str>) -> Self {
        if let Some(alias) = alias {
            return Self {
                own: alias.to_lowercase(),
                portless: None,
            };
        }
        let host = address.host.to_lowercase();
        if address.port == 22 {
            return Self {
                own: host,
                portless: None,
            };
        }
        Self {
            own: format!("[{host}]:{}", address.port),
            portless: Some(host),
        }
    }
}

/// Whether a known_hosts host field names `name`: plain, with `*` and `?`, negated by `!`, or
/// hashed (`|1|salt|hash`).
fn names_host(field: &str, name: &str) -> bool {
    if let Some(hashed) = field.strip_prefix("|1|") {
        return hash_matches(hashed, name).unwrap_or(false);
    }
    let mut named = false;
    for pattern in field.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_glob(&pattern.to_lowercase(), name) => return false,
            Some(_) => {}
            None => named |= matches_glob(&pattern.to_lowercase(), name),
        }
    }
    named
}

fn hash_matches(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// Whether `*` for any characters and `?` for one make the pattern fit; case counts.
pub(super) fn matches_glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests;
