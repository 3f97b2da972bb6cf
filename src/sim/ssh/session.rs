//! One SSH connection: logins and channels.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use russh::keys::Algorithm;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, Pty};

use super::{Access, channel, sftp};
use crate::sim::host::SimHost;

/// The server's side of one connection.
pub(super) struct Session {
    id: u64,
    host: Arc<SimHost>,
    access: Arc<Access>,
    user: String,
    channels: HashMap<ChannelId, Channel<Msg>>,
    terminals: Vec<ChannelId>,
}

impl Session {
    pub(super) fn new(id: u64, host: Arc<SimHost>, access: Arc<Access>) -> Self {
        Self {
            id,
            host,
            access,
            user: String::new(),
            channels: HashMap::new(),
            terminals: Vec::new(),
        }
    }

    /// ESXi in FIPS mode takes no ed25519 key; the key itself must be the known one.
    fn knows(&self, user: &str, key: &russh::keys::PublicKey) -> bool {
        let refused = self.host.esxi.is_some() && key.algorithm() == Algorithm::Ed25519;
        !refused && user == self.access.user && key.key_data() == self.access.key.key_data()
    }

    fn start(&mut self, id: ChannelId, line: Option<String>) -> bool {
        let Some(channel) = self.channels.remove(&id) else {
            return false;
        };
        let command = channel::Command {
            session: self.id,
            host: Arc::clone(&self.host),
            user: self.user.clone(),
            line,
            terminal: self.terminals.contains(&id),
        };
        tokio::spawn(channel::run(channel, command));
        true
    }
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        // ESXi does not offer this method at all: see `config`.
        if self.host.esxi.is_some() || !self.access.admits(user, password) {
            return Ok(Auth::reject());
        }
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(if self.knows(user, offer.public_key) {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if !self.knows(user, key.public_key) {
            return Ok(Auth::reject());
        }
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut answers) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
            });
        };
        let password = answers
            .next()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if !self.access.admits(user, &password.unwrap_or_default()) {
            return Ok(Auth::reject());
        }
        user.clone_into(&mut self.user);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.terminals.push(channel);
        session.channel_success(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        if !self.start(channel, Some(String::from_utf8_lossy(data).into_owned())) {
            session.channel_failure(channel)?;
        }
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        if !self.start(channel, None) {
            session.channel_failure(channel)?;
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        let absent = self
            .host
            .without_sftp
            .load(std::sync::atomic::Ordering::Acquire);
        if name != "sftp" || absent {
            return session.channel_failure(id);
        }
        let Some(channel) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        tokio::spawn(sftp::run(channel, Arc::clone(&self.host), self.id));
        Ok(())
    }
}
