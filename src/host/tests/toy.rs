//! A small SSH server that asks for passwords as an ESXi host does, and misbehaves on demand.

use std::borrow::Cow;

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Response, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet};

use super::*;

/// What a server asks and does.
#[derive(Clone)]
pub(super) struct Toy {
    pub(super) method: MethodKind,
    pub(super) password: &'static str,
    /// Asks for a code after the password.
    pub(super) wants_code: bool,
    /// Hangs up at each password.
    pub(super) hangs_up: bool,
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            method: MethodKind::KeyboardInteractive,
            password: "right",
            wants_code: false,
            hangs_up: false,
        }
    }
}

pub(super) struct Running {
    pub(super) port: u16,
    fingerprint: String,
    /// The passwords that were tried, in order.
    tried: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Toy {
    pub(super) async fn start(self) -> Running {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(Config {
            methods: MethodSet::from(&[self.method][..]),
            auth_rejection_time: Duration::from_millis(20),
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![key],
            nodelay: true,
            ..Config::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tried = Arc::<Mutex<Vec<String>>>::default();
        let seen = tried.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let client = Client {
                    toy: self.clone(),
                    tried: seen.clone(),
                    asked: 0,
                };
                let config = config.clone();
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, socket, client).await {
                        let _ = session.await;
                    }
                });
            }
        });
        Running {
            port,
            fingerprint,
            tried,
            task,
        }
    }
}

impl Running {
    pub(super) fn config(&self, name: &str, secret: &str) -> HostConfig {
        let mut config = config(self.port, vec![password(secret)]);
        config.name = name.into();
        config.host_keys = vec![self.fingerprint.clone()];
        config
    }

    pub(super) fn tried(&self) -> Vec<String> {
        self.tried.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Client {
    toy: Toy,
    tried: Arc<Mutex<Vec<String>>>,
    asked: u32,
}

impl Client {
    fn judge(&mut self, password: &str) -> Result<Auth, russh::Error> {
        self.tried.lock().unwrap().push(password.to_owned());
        if self.toy.hangs_up {
            Err(russh::Error::Disconnect)
        } else if password == self.toy.password {
            Ok(Auth::Accept)
        } else {
            Ok(Auth::reject())
        }
    }

    fn ask(&mut self, prompt: &'static str) -> Auth {
        self.asked += 1;
        Auth::Partial {
            name: "".into(),
            instructions: "".into(),
            prompts: Cow::Owned(vec![(Cow::Borrowed(prompt), false)]),
        }
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.judge(password)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let answer = response.and_then(|mut answers| answers.next());
        let answer = answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match (answer, self.asked) {
            (None, _) => Ok(self.ask("Password: ")),
            (Some(answer), 1) if self.toy.wants_code => {
                self.tried.lock().unwrap().push(answer);
                Ok(self.ask("Code: "))
            }
            (Some(answer), _) => self.judge(&answer),
        }
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if line.ends_with(b"denied") {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        session.data(channel, &b"hello\n"[..])?;
        session.exit_status_request(channel, 0)?;
        session.eof(channel)?;
        session.close(channel)
    }
}
