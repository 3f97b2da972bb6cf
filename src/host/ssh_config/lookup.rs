//! What the lines say about one host: the first value counts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::runbook::parse_duration;

use super::file::Line;
use super::{Found, Given, Proxy, Query};

/// What decides how a host is reached or trusted, and is not honoured.
const NOT_HONOURED: [(&str, &str); 17] = [
    ("addressfamily", "AddressFamily"),
    ("bindaddress", "BindAddress"),
    ("bindinterface", "BindInterface"),
    ("canonicalizehostname", "CanonicalizeHostname"),
    ("certificatefile", "CertificateFile"),
    ("ciphers", "Ciphers"),
    ("hostkeyalgorithms", "HostKeyAlgorithms"),
    ("kexalgorithms", "KexAlgorithms"),
    ("knownhostscommand", "KnownHostsCommand"),
    ("macs", "MACs"),
    ("passwordauthentication", "PasswordAuthentication"),
    ("pkcs11provider", "PKCS11Provider"),
    ("pubkeyacceptedalgorithms", "PubkeyAcceptedAlgorithms"),
    ("pubkeyauthentication", "PubkeyAuthentication"),
    ("revokedhostkeys", "RevokedHostKeys"),
    ("securitykeyprovider", "SecurityKeyProvider"),
    ("stricthostkeychecking", "StrictHostKeyChecking"),
];

/// Values that ask for nothing but what is done anyway.
const HARMLESS: [&str; 4] = ["none", "any", "ask", "yes"];

pub(super) fn look_up(
    files: &[Vec<Line>],
    query: &Query<'_>,
    home: &Path,
    local_user: &str,
) -> Found {
    let mut walk = Walk {
        query,
        home,
        local_user,
        found: Found::default(),
        raw: Raw::default(),
        no_jump: false,
    };
    for lines in files {
        walk.file(lines, true, false);
    }
    walk.finish()
}

/// Values whose tokens are replaced once all is known.
#[derive(Default)]
struct Raw {
    host_name: Option<Given<String>>,
    identity_files: Vec<Given<String>>,
    identity_agent: Option<Given<String>>,
    user_known_hosts: Option<Given<Vec<String>>>,
    global_known_hosts: Option<Given<Vec<String>>>,
}

struct Walk<'a> {
    query: &'a Query<'a>,
    home: &'a Path,
    local_user: &'a str,
    found: Found,
    raw: Raw,
    /// `ProxyJump none` came first, which to OpenSSH says nothing of a `ProxyCommand` after it.
    no_jump: bool,
}

impl Walk<'_> {
    /// `never`: the file was included where nothing counts.
    fn file(&mut self, lines: &[Line], mut active: bool, never: bool) {
        for line in lines {
            match line.keyword.as_str() {
                "host" => active = !never && names_host(&line.words, self.query.host),
                "match" => active = !never && self.matches(line),
                "include" => {
                    for file in &line.included {
                        self.file(file, active, never || !active);
                    }
                }
                _ if active => self.take(line),
                _ => {}
            }
        }
    }

    /// Whether all criteria of a `Match` line hold. Those that cannot be judged do not, which is
    /// said where the others do.
    fn matches(&mut self, line: &Line) -> bool {
        let mut unjudged = None;
        let mut words = line.words.iter();
        while let Some(word) = words.next() {
            let (negated, criterion) = match word.strip_prefix('!') {
                Some(criterion) => (true, criterion),
                None => (false, word.as_str()),
            };
            let (name, inline) = match criterion.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (criterion, None),
            };
            let name = name.to_ascii_lowercase();
            if name == "all" {
                continue;
            }
            if matches!(name.as_str(), "canonical" | "final") {
                // Both are about a second pass, which there is none of.
                if negated {
                    continue;
                }
                unjudged.get_or_insert(name);
                continue;
            }
            let Some(value) = inline.or_else(|| words.next().map(String::as_str)) else {
                self.note(line, "Match", "is not complete");
                return false;
            };
            let subject = match name.as_str() {
                "host" => self.host_name(),
                "originalhost" => self.query.host.to_owned(),
                "user" => self.user(),
                "localuser" => self.local_user.to_owned(),
                _ => {
                    unjudged.get_or_insert(name);
                    continue;
                }
            };
            if matches_list(value, &subject) == negated {
                return false;
            }
        }
        if let Some(name) = &unjudged {
            let what = format!("Match {name}");
            self.note(line, &what, "is not evaluated, its block is left out");
        }
        unjudged.is_none()
    }

    fn note(&mut self, line: &Line, what: &str, why: &str) {
        self.found.notes.push(format!("{}: {what} {why}", line.at));
    }

    fn take(&mut self, line: &Line) {
        let Some(first) = line.words.first() else {
            self.note(line, &line.keyword, "has no value");
            return;
        };
        let at = || line.at.clone();
        let text = || Given {
            value: first.clone(),
            at: at(),
        };
        let list = || Given {
            value: line.words.clone(),
            at: at(),
        };
        match line.keyword.as_str() {
            "hostname" => set(&mut self.raw.host_name, text()),
            "user" => set(&mut self.found.user, text()),
            "hostkeyalias" => set(&mut self.found.host_key_alias, text()),
            "identityfile" => self.raw.identity_files.push(text()),
            "identityagent" => set(&mut self.raw.identity_agent, text()),
            "userknownhostsfile" => set(&mut self.raw.user_known_hosts, list()),
            "globalknownhostsfile" => set(&mut self.raw.global_known_hosts, list()),
            "port" => match first.parse() {
                Ok(value) if value != 0 => set(&mut self.found.port, Given { value, at: at() }),
                _ => self.note(line, "Port", "is not a number from 1 to 65535"),
            },
            "identitiesonly" => {
                let value = matches!(first.to_ascii_lowercase().as_str(), "yes" | "true");
                set(&mut self.found.identities_only, Given { value, at: at() });
            }
            "connecttimeout" => match timeout(first) {
                Some(value) => set(&mut self.found.connect_timeout, Given { value, at: at() }),
                None if first == "none" => {}
                None => self.note(line, "ConnectTimeout", "is not a time"),
            },
            "proxyjump" => {
                let value = if first.eq_ignore_ascii_case("none") {
                    self.no_jump |= self.found.proxy.is_none();
                    Proxy::None
                } else {
                    Proxy::Jump(first.split(',').map(|hop| hop.trim().to_owned()).collect())
                };
                set(&mut self.found.proxy, Given { value, at: at() });
            }
            "proxycommand" => {
                let none = line.words.len() == 1 && first.eq_ignore_ascii_case("none");
                let value = if none { Proxy::None } else { Proxy::Command };
                if std::mem::take(&mut self.no_jump) {
                    self.found.proxy = None;
                }
                set(&mut self.found.proxy, Given { value, at: at() });
            }
            keyword => self.other(line, keyword, first),
        }
    }

    fn other(&mut self, line: &Line, keyword: &str, value: &str) {
        let value = value.to_ascii_lowercase();
        let harmless = match keyword {
            "canonicalizehostname" => value == "no",
            _ => HARMLESS.contains(&value.as_str()),
        };
        if let Some((_, name)) = NOT_HONOURED.iter().find(|(known, _)| *known == keyword)
            && !harmless
        {
            self.note(
                line,
                name,
                match keyword {
                    "stricthostkeychecking" => "is not honoured: host keys are always checked",
                    _ => "is not honoured",
                },
            );
        }
    }

    fn user(&self) -> String {
        let found = self.found.user.as_ref().map(|user| user.value.as_str());
        self.query
            .user
            .or(found)
            .unwrap_or(self.query.default_user)
            .to_owned()
    }

    /// Where the connection goes.
    fn host_name(&self) -> String {
        match &self.raw.host_name {
            Some(name) => name
                .value
                .replace("%%", "\0")
                .replace("%h", self.query.host)
                .replace('\0', "%"),
            None => self.query.host.to_owned(),
        }
    }

    fn finish(mut self) -> Found {
        let host = self.host_name();
        let user = self.user();
        let port = self
            .query
            .port
            .or(self.found.port.as_ref().map(|port| port.value));
        let tokens = Tokens {
            host: &host,
            original: self.query.host,
            alias: self
                .found
                .host_key_alias
                .as_ref()
                .map(|alias| alias.value.as_str()),
            user: &user,
            port: port.unwrap_or(22),
            local_user: self.local_user,
            home: self.home,
        };
        let mut paths = Paths {
            tokens,
            unknown: Vec::new(),
        };
        let raw = &self.raw;
        self.found.identity_files = paths.identities(&raw.identity_files);
        self.found.user_known_hosts = paths.known_hosts(raw.user_known_hosts.as_ref());
        self.found.global_known_hosts = paths.known_hosts(raw.global_known_hosts.as_ref());
        self.found.identity_agent = paths.agent(raw.identity_agent.as_ref());
        let mut unknown = paths.unknown;
        self.found.notes.append(&mut unknown);
        self.found.host_name = self.raw.host_name.take().map(|given| Given {
            value: host,
            at: given.at,
        });
        self.found
    }
}

/// Paths of the file, with the values of their tokens.
struct Paths<'a> {
    tokens: Tokens<'a>,
    /// What has a token that is not known, and where.
    unknown: Vec<String>,
}

impl Paths<'_> {
    fn path(&mut self, text: &str, at: &str) -> Option<PathBuf> {
        let path = self.tokens.path(text);
        if path.is_none() {
            let note = format!("{at}: `{text}` has a token that is not known");
            self.unknown.push(note);
        }
        path
    }

    fn identities(&mut self, given: &[Given<String>]) -> Vec<Given<PathBuf>> {
        let files = given.iter();
        let files = files.filter(|given| !given.value.eq_ignore_ascii_case("none"));
        files
            .filter_map(|given| given.map(|text| self.path(text, &given.at)))
            .collect()
    }

    fn known_hosts(&mut self, given: Option<&Given<Vec<String>>>) -> Option<Given<Vec<PathBuf>>> {
        let given = given?;
        given.map(|texts| {
            let files = texts.iter();
            let files = files.filter(|text| !text.eq_ignore_ascii_case("none"));
            Some(
                files
                    .filter_map(|text| self.path(text, &given.at))
                    .collect(),
            )
        })
    }

    fn agent(&mut self, given: Option<&Given<String>>) -> Option<Given<Option<PathBuf>>> {
        let given = given?;
        given.map(|text| match text.as_str() {
            "none" => Some(None),
            "SSH_AUTH_SOCK" => None,
            text => match text.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
                Some(name) => Some(std::env::var_os(name).map(PathBuf::from)),
                None => self.path(text, &given.at).map(Some),
            },
        })
    }
}

impl<T> Given<T> {
    fn map<U>(&self, change: impl FnOnce(&T) -> Option<U>) -> Option<Given<U>> {
        Some(Given {
            value: change(&self.value)?,
            at: self.at.clone(),
        })
    }
}

fn set<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

/// Seconds, or a time with units.
fn timeout(text: &str) -> Option<Duration> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => parse_duration(&text.to_ascii_lowercase()).ok()?,
    };
    (!duration.is_zero()).then_some(duration)
}

struct Tokens<'a> {
    host: &'a str,
    original: &'a str,
    alias: Option<&'a str>,
    user: &'a str,
    port: u16,
    local_user: &'a str,
    home: &'a Path,
}

impl Tokens<'_> {
    /// A path with `~/`, `${NAME}` and tokens replaced; `None` if one is not known.
    fn path(&self, text: &str) -> Option<PathBuf> {
        let mut path = String::new();
        let home = self.home.to_string_lossy();
        let mut rest = text;
        if let Some(tail) = rest.strip_prefix("~/") {
            path.push_str(&home);
            path.push('/');
            rest = tail;
        }
        while let Some(at) = rest.find(['%', '$']) {
            path.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(tail) = rest.strip_prefix("${") {
                let (name, after) = tail.split_once('}')?;
                path.push_str(&std::env::var(name).ok()?);
                rest = after;
                continue;
            }
            let mut chars = rest.chars();
            if chars.next() == Some('$') {
                path.push('$');
                rest = chars.as_str();
                continue;
            }
            match chars.next()? {
                '%' => path.push('%'),
                'd' => path.push_str(&home),
                'h' => path.push_str(self.host),
                'k' => path.push_str(self.alias.unwrap_or(self.original)),
                'n' => path.push_str(self.original),
                'p' => path.push_str(&self.port.to_string()),
                'r' => path.push_str(self.user),
                'u' => path.push_str(self.local_user),
                _ => return None,
            }
            rest = chars.as_str();
        }
        path.push_str(rest);
        Some(PathBuf::from(path))
    }
}

/// Whether a `Host` line is about `host`: one of its patterns fits and no negated one does.
fn names_host(patterns: &[String], host: &str) -> bool {
    let mut named = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern, host) => return false,
            Some(_) => {}
            None => named |= matches_pattern(pattern, host),
        }
    }
    named
}

/// The same for a list with commas.
fn matches_list(list: &str, subject: &str) -> bool {
    let patterns: Vec<String> = list.split(',').map(str::to_owned).collect();
    names_host(&patterns, subject)
}

/// `*` stands for any characters, `?` for one; case counts.
pub(super) fn matches_pattern(pattern: &str, name: &str) -> bool {
    crate::host::host_key::matches_glob(pattern, name)
}
