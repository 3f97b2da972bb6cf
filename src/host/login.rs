//! Logging in: each way once, never again after a refusal.
//!
//! An ESXi host locks an account after five failures and then refuses the right password as well,
//! so a refused password is dead for that user on every host until another console asks for it anew.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use ssh2::{KeyboardInteractivePrompt, Prompt};

use super::bulk::ProvenWay;
use super::config::{Credential, Secret, expand_home};
use super::error::HostError;
use super::link::{Limit, Link, Stopped, code};
use super::private_key::PrivateKey;
use super::sanitise::sanitise;
use super::shared::Shared;

/// OpenSSH closes the connection at the sixth failure; ESXi locks the account after the fifth.
const MAX_TRIES: usize = 5;
const MAX_AGENT_KEYS: usize = 3;

/// What libssh2 says when the host, or the key, is the reason and the next way may be tried.
const REFUSALS: [i32; 7] = [
    code::AUTHENTICATION_FAILED,
    code::PUBLICKEY_UNVERIFIED,
    code::KEYFILE_AUTH_FAILED,
    code::PASSWORD_EXPIRED,
    code::ALGO_UNSUPPORTED,
    code::METHOD_NONE,
    code::FILE,
];

/// Passwords that some host refused, by user; as sums, so that they are not kept.
#[derive(Default)]
pub(super) struct RefusedPasswords(Mutex<Vec<(String, [u8; 32])>>);

impl RefusedPasswords {
    pub(super) fn contains(&self, user: &str, password: &Secret) -> bool {
        let sum = sum(password);
        self.list()
            .iter()
            .any(|(other, dead)| other == user && *dead == sum)
    }

    fn add(&self, user: &str, password: &Secret) {
        self.list().push((user.to_owned(), sum(password)));
    }

    fn list(&self) -> MutexGuard<'_, Vec<(String, [u8; 32])>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum(password: &Secret) -> [u8; 32] {
    Sha256::digest(password.expose().as_bytes()).into()
}

/// What one way led to.
enum Way {
    Accepted(ProvenWay),
    /// Refused, or not even tried; in words.
    Refused(String),
}

struct Attempts<'a> {
    host: &'a Shared,
    link: &'a mut Link,
    limit: &'a Limit,
    methods: String,
    left: usize,
    /// Public halves of keys of the agent that were offered by name.
    offered: Vec<Vec<u8>>,
}

/// Tries the host's credentials in order.
pub(super) fn authenticate(host: &Shared, link: &mut Link, limit: &Limit) -> Result<(), HostError> {
    let user = host.config.user.as_str();
    let methods = link.drive(limit, |session| match session.auth_methods(user) {
        // A host that lets anybody in has no list to offer, and libssh2 no error to tell.
        _ if session.authenticated() => Ok(None),
        methods => methods.map(|methods| Some(methods.to_owned())),
    });
    let Some(methods) = methods.map_err(|stopped| stopped.during("logging in"))? else {
        host.login_accepted(ProvenWay::Open);
        return Ok(());
    };
    let mut attempts = Attempts {
        host,
        link,
        limit,
        methods,
        left: MAX_TRIES,
        offered: Vec::new(),
    };
    let mut tried = Vec::new();
    for credential in host.config.credentials() {
        let result = match &credential {
            Credential::Key(path) => attempts.key(path),
            Credential::Agent => attempts.agent(),
            Credential::Password(password) => attempts.password(password),
        };
        match result {
            Ok(Way::Accepted(way)) => {
                host.login_answered();
                host.login_accepted(way);
                return Ok(());
            }
            Ok(Way::Refused(why)) => tried.push(why),
            Err(stopped) => {
                let error = stopped.during("logging in");
                return Err(host.login_broke(error, tried));
            }
        }
    }
    if tried.is_empty() {
        tried.push(format!(
            "no way to log in is configured; the host offers {}",
            attempts.methods
        ));
    }
    Err(host.login_refused(tried))
}

impl Attempts<'_> {
    fn offers(&self, method: &str) -> bool {
        self.methods.split(',').any(|offered| offered == method)
    }

    fn user(&self) -> &str {
        &self.host.config.user
    }

    /// One attempt that counts on the host.
    fn attempt(
        &mut self,
        way: &str,
        proven: ProvenWay,
        mut op: impl FnMut(&ssh2::Session, &str) -> Result<(), ssh2::Error>,
    ) -> Result<Way, Stopped> {
        if self.left == 0 {
            return Ok(Way::Refused(format!(
                "{way}: not tried, {MAX_TRIES} ways are the most"
            )));
        }
        self.left -= 1;
        let user = self.host.config.user.as_str();
        match self.link.drive(self.limit, |session| op(session, user)) {
            Ok(()) => Ok(Way::Accepted(proven)),
            Err(Stopped::Ssh(code, message)) if REFUSALS.contains(&code) => {
                // libssh2 gives the loss of the connection the same code.
                if message.starts_with("Waiting for") {
                    return Err(Stopped::Ssh(
                        code,
                        "the host hung up during the login".to_owned(),
                    ));
                }
                Ok(Way::Refused(match code {
                    code::PASSWORD_EXPIRED => format!("{way}: the password has expired"),
                    _ if message.starts_with("Callback") => {
                        format!("{way}: the agent did not sign")
                    }
                    code::AUTHENTICATION_FAILED | code::PUBLICKEY_UNVERIFIED => {
                        format!("{way}: refused")
                    }
                    _ => format!("{way}: {}", sanitise(message.as_bytes())),
                }))
            }
            Err(stopped) => Err(stopped),
        }
    }

    fn key(&mut self, path: &Path) -> Result<Way, Stopped> {
        let shown = format!("key {}", path.display());
        if !self.offers("publickey") {
            return Ok(Way::Refused(format!("{shown}: the host takes no keys")));
        }
        let key = match PrivateKey::read(path) {
            Ok(key) => key,
            // Its public half names it to the agent, which may hold it unlocked.
            Err(why) => {
                return match public_half(path) {
                    Some(public) => self.agent_key(&shown, &why, &public),
                    None => Ok(Way::Refused(format!("{shown}: {why}"))),
                };
            }
        };
        let way = format!("{shown}{}", key.kind());
        self.attempt(&way, ProvenWay::Key(path.to_owned()), |session, user| {
            session.userauth_pubkey_memory(user, None, &key.text, None)
        })
    }

    /// The agent's key of that public half alone.
    fn agent_key(&mut self, shown: &str, why: &str, public: &[u8]) -> Result<Way, Stopped> {
        let refused = || Ok(Way::Refused(format!("{shown}: {why}")));
        let Some(socket) = self.host.agent_socket() else {
            return refused();
        };
        let Ok((agent, keys)) = open_agent(self.link, socket) else {
            return refused();
        };
        match keys.iter().find(|key| key.blob() == public) {
            Some(key) => {
                let way = format!("{shown} (from the agent)");
                let proven = ProvenWay::Agent(public.to_vec());
                self.offered.push(public.to_vec());
                self.attempt(&way, proven, |_, user| agent.userauth(user, key))
            }
            None => refused(),
        }
    }

    fn agent(&mut self) -> Result<Way, Stopped> {
        let Some(socket) = self.host.agent_socket() else {
            return Ok(Way::Refused("agent: none is running".to_owned()));
        };
        if !self.offers("publickey") {
            return Ok(Way::Refused("agent: the host takes no keys".to_owned()));
        }
        let (agent, keys) = match open_agent(self.link, socket) {
            Ok(opened) => opened,
            Err(error) => return Ok(Way::Refused(format!("agent: {}", error.message()))),
        };
        if keys.is_empty() {
            return Ok(Way::Refused("agent: it holds no keys".to_owned()));
        }
        let mut refused = Vec::new();
        let keys: Vec<_> = keys
            .into_iter()
            .filter(|key| !self.offered.iter().any(|known| known == key.blob()))
            .collect();
        for key in keys.iter().take(MAX_AGENT_KEYS) {
            let way = format!("agent key {}", sanitise(key.comment().as_bytes()));
            let proven = ProvenWay::Agent(key.blob().to_vec());
            match self.attempt(&way, proven, |_, user| agent.userauth(user, key))? {
                Way::Accepted(way) => return Ok(Way::Accepted(way)),
                Way::Refused(why) => refused.push(why),
            }
        }
        if keys.len() > MAX_AGENT_KEYS {
            refused.push(format!(
                "{} more agent keys: not tried",
                keys.len() - MAX_AGENT_KEYS
            ));
        }
        Ok(Way::Refused(refused.join("; ")))
    }

    fn password(&mut self, password: &Secret) -> Result<Way, Stopped> {
        let refused = &self.host.run.refused;
        if refused.contains(self.user(), password) {
            let why = "password: not tried, a host of this run refused it before";
            return Ok(Way::Refused(why.to_owned()));
        }
        let proven = |interactive| ProvenWay::Password {
            password: password.clone(),
            interactive,
        };
        let left = self.left;
        let mut given = true;
        let way = if self.offers("password") {
            self.attempt("password", proven(false), |session, user| {
                session.userauth_password(user, password.expose())
            })?
        } else if self.offers("keyboard-interactive") {
            // What an ESXi host asks: one prompt, `Password: `.
            let mut answers = Answers { password, asked: 0 };
            let way = self.attempt(
                "password (keyboard-interactive)",
                proven(true),
                |session, user| session.userauth_keyboard_interactive(user, &mut answers),
            )?;
            given = answers.asked > 0;
            match way {
                Way::Refused(why) if answers.asked > 1 => {
                    Way::Refused(format!("{why}; it asked for more than the password"))
                }
                way => way,
            }
        } else {
            return Ok(Way::Refused(format!(
                "password: the host takes only {}",
                self.methods
            )));
        };
        // One that no host has seen is not dead: tries may have run out, or the host asked for none.
        if matches!(way, Way::Refused(_)) && self.left < left && given {
            refused.add(self.user(), password);
        }
        Ok(way)
    }
}

fn open_agent(
    link: &Link,
    socket: &Path,
) -> Result<(ssh2::Agent, Vec<ssh2::PublicKey>), ssh2::Error> {
    let mut agent = link.session().agent()?;
    agent.set_identity_path(socket)?;
    agent.connect()?;
    agent.list_identities()?;
    let keys = agent.identities()?;
    Ok((agent, keys))
}

/// Answers the first round of prompts with the password, and any other with nothing.
struct Answers<'a> {
    password: &'a Secret,
    asked: usize,
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt<'p>(&mut self, _user: &str, _text: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        if !prompts.is_empty() {
            self.asked += 1;
        }
        let answer = if self.asked == 1 {
            self.password.expose()
        } else {
            ""
        };
        prompts.iter().map(|_| answer.to_owned()).collect()
    }
}

/// The public half of a key as it travels, from the file beside it.
fn public_half(path: &Path) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let mut public = expand_home(path).into_os_string();
    public.push(".pub");
    let text = std::fs::read_to_string(public).ok()?;
    let blob = text.split_ascii_whitespace().nth(1)?;
    base64::engine::general_purpose::STANDARD.decode(blob).ok()
}
