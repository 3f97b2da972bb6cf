//! The login that a host accepted, once more over russh.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::PrivateKeyWithHashAlg;
use russh::keys::agent::client::AgentClient;

use super::super::config::Secret;
use super::super::private_key::PrivateKey;
use super::super::shared::Shared;
use super::Judge;

/// How the last ssh2 session to a host got in.
#[derive(Clone)]
pub(in super::super) struct Proven {
    /// The type of the key that the host showed, e.g. `ssh-ed25519`.
    pub(in super::super) key_type: String,
    pub(in super::super) way: ProvenWay,
}

/// A way that the host accepted.
#[derive(Clone)]
pub(in super::super) enum ProvenWay {
    /// It asked for nothing.
    Open,
    Key(PathBuf),
    /// A key of the agent; the public one, as it travels.
    Agent(Vec<u8>),
    Password {
        password: Secret,
        /// As the answer to a question, which is how ESXi hosts take it.
        interactive: bool,
    },
}

impl Proven {
    /// Logs in the same way; `false` where that is not possible or was refused. It is one try.
    pub(super) async fn log_in(
        &self,
        host: &Shared,
        handle: &mut Handle<Judge>,
    ) -> Result<bool, russh::Error> {
        let user = host.config.user.as_str();
        match &self.way {
            ProvenWay::Open => Ok(handle.authenticate_none(user).await?.success()),
            ProvenWay::Key(path) => {
                let key = PrivateKey::read(path).ok();
                let Some(key) = key.and_then(|key| key.for_russh()) else {
                    return Ok(false);
                };
                let hash = handle.best_supported_rsa_hash().await?.flatten();
                let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
                outcome(handle.authenticate_publickey(user, key).await, handle)
            }
            ProvenWay::Agent(public) => with_agent(host, handle, public).await,
            ProvenWay::Password {
                password,
                interactive: false,
            } => {
                let tried = handle.authenticate_password(user, password.expose()).await;
                outcome(tried, handle)
            }
            ProvenWay::Password { password, .. } => answer(user, handle, password).await,
        }
    }
}

/// russh takes the end of the connection for a refusal.
fn outcome(
    tried: Result<AuthResult, russh::Error>,
    handle: &Handle<Judge>,
) -> Result<bool, russh::Error> {
    match tried? {
        AuthResult::Success => Ok(true),
        AuthResult::Failure { .. } if handle.is_closed() => Err(russh::Error::Disconnect),
        AuthResult::Failure { .. } => Ok(false),
    }
}

async fn with_agent(
    host: &Shared,
    handle: &mut Handle<Judge>,
    public: &[u8],
) -> Result<bool, russh::Error> {
    let Some(socket) = host.agent_socket() else {
        return Ok(false);
    };
    let Ok(mut agent) = AgentClient::connect_uds(socket).await else {
        return Ok(false);
    };
    let Ok(key) = russh::keys::PublicKey::from_bytes(public) else {
        return Ok(false);
    };
    let hash = if key.algorithm().is_rsa() {
        handle.best_supported_rsa_hash().await?.flatten()
    } else {
        None
    };
    let user = host.config.user.as_str();
    match handle
        .authenticate_publickey_with(user, key, hash, &mut agent)
        .await
    {
        Ok(tried) => outcome(Ok(tried), handle),
        // The agent no longer signs.
        Err(_) => Ok(false),
    }
}

/// Answers the first round of prompts with the password, and any other with nothing.
async fn answer(
    user: &str,
    handle: &mut Handle<Judge>,
    password: &Secret,
) -> Result<bool, russh::Error> {
    let mut asked = 0;
    let mut reply = handle
        .authenticate_keyboard_interactive_start(user, None)
        .await?;
    loop {
        let prompts = match reply {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts.len(),
        };
        asked += usize::from(prompts > 0);
        let text = if asked == 1 { password.expose() } else { "" };
        let answers = vec![text.to_owned(); prompts];
        reply = handle
            .authenticate_keyboard_interactive_respond(answers)
            .await?;
    }
}
