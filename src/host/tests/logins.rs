//! Keys, the agent, host keys and algorithms, with OpenSSH.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::proxy::Proxy;
use super::sshd::{Sshd, keygen};
use super::*;

async fn hello(host: &Host) -> Result<String, HostError> {
    host.read(Lane::Control, &sh("echo hello"))
        .await
        .map(|output| output.text())
}

fn authorize(sshd: &Sshd, public: &Path) {
    std::fs::copy(public, sshd.path("authorized_keys")).unwrap();
}

#[tokio::test]
async fn each_type_of_key_logs_in() {
    let Some(sshd) = Sshd::start("") else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = sshd.path(&format!("user_{kind}"));
        keygen(kind, &key, "");
        authorize(&sshd, &key.with_extension("pub"));
        let mut config = sshd.config();
        config.auth = vec![Credential::Key(key)];
        let (_hosts, host) = one(config);
        assert_eq!(hello(&host).await.unwrap(), "hello\n", "{kind}");
    }
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_until_a_person_says_so() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let wrong = sshd.path("wrong");
    keygen("ed25519", &wrong, "");
    let mut config = sshd.config_via(proxy.port);
    config.auth = vec![Credential::Key(wrong.clone()), password("hunter22")];
    let (hosts, host) = one(config);
    let error = hello(&host).await.unwrap_err();
    let HostError::LoginRefused { tried, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(tried[0].contains("wrong (ed25519): refused"), "{tried:?}");
    assert!(tried[1].contains("takes only publickey"), "{tried:?}");
    assert!(error.fault(&name()).next.contains("FIPS"));
    for lane in [Lane::Control, Lane::Telemetry] {
        assert_eq!(host.read(lane, &sh("true")).await.unwrap_err(), error);
    }
    assert_eq!(proxy.accepted(), 1);
    authorize(&sshd, &wrong.with_extension("pub"));
    hosts.retry_login(&name());
    assert_eq!(hello(&host).await.unwrap(), "hello\n");
}

#[tokio::test]
async fn unusable_key_files_are_named_with_the_reason() {
    let Some(sshd) = Sshd::start("") else { return };
    let (locked, text) = (sshd.path("locked"), sshd.path("text"));
    keygen("ed25519", &locked, "passphrase");
    std::fs::write(&text, "hello").unwrap();
    let mut config = sshd.config();
    config.auth = [locked, text, sshd.path("none"), sshd.path("id.pub")]
        .map(Credential::Key)
        .into();
    let error = hello(&one(config).1).await.unwrap_err();
    let HostError::LoginRefused { tried, .. } = &error else {
        panic!("{error:?}")
    };
    for (why, words) in tried.iter().zip([
        "passphrase",
        "not a private key",
        "no such file",
        "not a private key",
    ]) {
        assert!(why.contains(words), "{why}");
    }
}

/// An agent with some new keys, the last of which sshd accepts.
struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn with_keys(sshd: &Sshd, count: usize) -> Self {
        let socket = sshd.path("agent.sock");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        for index in 0..count {
            let key = sshd.path(&format!("agent{index}"));
            keygen("ed25519", &key, "");
            authorize(sshd, &key.with_extension("pub"));
            let added = Command::new("ssh-add")
                .arg("-q")
                .arg(&key)
                .env("SSH_AUTH_SOCK", &socket)
                .status();
            assert!(added.unwrap().success());
        }
        Self { child, socket }
    }

    fn host(&self, config: HostConfig) -> Arc<Host> {
        let policy = Policy::for_mode(Mode::Failover);
        let socket = Some(self.socket.clone());
        let hosts = Hosts::with_settings(vec![config], policy, Redactor::new(), socket, limits());
        hosts.host(&name()).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_agent_is_asked_for_three_keys_and_no_more() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut config = sshd.config();
    config.auth = vec![Credential::Agent];
    let agent = Agent::with_keys(&sshd, 3);
    assert_eq!(hello(&agent.host(config.clone())).await.unwrap(), "hello\n");
    drop(agent);
    std::fs::remove_file(sshd.path("agent.sock")).ok();
    for old in 0..3 {
        std::fs::remove_file(sshd.path(&format!("agent{old}"))).unwrap();
    }
    let agent = Agent::with_keys(&sshd, 4);
    let error = hello(&agent.host(config)).await.unwrap_err();
    assert!(
        error.to_string().contains("1 more agent keys: not tried"),
        "{error}"
    );
}

#[tokio::test]
async fn known_hosts_decides_where_nothing_is_pinned() {
    let Some(sshd) = Sshd::start_with_rsa("") else {
        return;
    };
    let known = sshd.path("known_hosts");
    let mut config = sshd.config();
    config.host_keys.clear();
    config.known_hosts = vec![sshd.path("no_such_file"), known.clone()];
    let try_with = |text: String| {
        std::fs::write(&known, text).unwrap();
        let (hosts, host) = one(config.clone());
        async move { (hello(&host).await, host, hosts) }
    };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let (result, ..) = try_with(sshd.known_hosts_line(kind, sshd.port)).await;
        assert_eq!(result.unwrap(), "hello\n", "{kind}");
    }

    // As OpenSSH's own tool hashes it.
    std::fs::write(&known, sshd.known_hosts_line("rsa", sshd.port)).unwrap();
    let hashed = Command::new("ssh-keygen")
        .arg("-Hf")
        .arg(&known)
        .output()
        .unwrap();
    assert!(hashed.status.success());
    let (result, ..) = try_with(std::fs::read_to_string(&known).unwrap()).await;
    assert_eq!(result.unwrap(), "hello\n");

    let (unknown, host, hosts) = try_with(String::new()).await;
    let Err(HostError::HostKeyUnknown {
        fingerprint,
        key_type,
        known: others,
    }) = unknown
    else {
        panic!("{unknown:?}")
    };
    assert_eq!((key_type.as_str(), others.len()), ("ssh-ed25519", 0));
    assert_eq!(fingerprint, sshd.fingerprint("ed25519"));
    hosts.trust_for_run(&name(), &fingerprint);
    assert_eq!(hello(&host).await.unwrap(), "hello\n");

    let other = sshd.path("other");
    keygen("ed25519", &other, "");
    let other = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    let (changed, ..) = try_with(format!("[127.0.0.1]:{} {other}", sshd.port)).await;
    assert!(
        matches!(changed, Err(HostError::HostKeyChanged { .. })),
        "{changed:?}"
    );
}

/// What OpenSSH's own client does with the same file decides.
#[tokio::test]
async fn known_hosts_without_a_port_is_read_as_openssh_reads_it() {
    let Some(sshd) = Sshd::start_with_rsa("") else {
        return;
    };
    let known = sshd.path("known_hosts");
    let mut config = sshd.config();
    config.host_keys.clear();
    config.known_hosts = vec![known.clone()];
    let of_port = sshd.known_hosts_line("ed25519", sshd.port);
    let (_, key) = of_port.split_once(' ').unwrap();
    let other = sshd.path("other");
    keygen("ed25519", &other, "");
    let other = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    let port = sshd.port;
    for (text, hashed, goes_on) in [
        (format!("127.0.0.1 {key}"), false, true),
        (format!("127.0.0.1 {key}"), true, true),
        (format!("127.0.0.1 {other}"), false, false),
        (
            format!("[127.0.0.1]:{port} {other}127.0.0.1 {key}"),
            false,
            false,
        ),
        (format!("[127.0.0.1]:{} {key}", port + 1), false, false),
        (format!("@revoked 127.0.0.1 {key}"), false, false),
    ] {
        std::fs::write(&known, &text).unwrap();
        if hashed {
            let hashed = Command::new("ssh-keygen").arg("-Hf").arg(&known).output();
            assert!(hashed.unwrap().status.success());
        }
        let option = |key: &str, value: &str| format!("-o{key}={value}");
        let openssh = Command::new("ssh")
            .args(["-F", "none", "-p", &port.to_string()])
            .arg(option("UserKnownHostsFile", &known.display().to_string()))
            .arg(option("GlobalKnownHostsFile", "/dev/null"))
            .args([
                "-oStrictHostKeyChecking=yes",
                "-oBatchMode=yes",
                "-oIdentitiesOnly=yes",
            ])
            .arg("-i")
            .arg(sshd.path("id"))
            .arg(format!("{}@127.0.0.1", config.user))
            .arg("true")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&openssh.stderr).into_owned();
        assert_eq!(openssh.status.success(), goes_on, "OpenSSH, {text}: {said}");
        let (_hosts, host) = one(config.clone());
        assert_eq!(hello(&host).await.is_ok(), goes_on, "{text}");
    }
}

#[tokio::test]
async fn a_pin_of_any_key_that_the_host_has_is_found() {
    let Some(sshd) = Sshd::start_with_rsa("") else {
        return;
    };
    let mut config = sshd.config();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        config.host_keys = vec![sshd.fingerprint(kind)];
        assert_eq!(
            hello(&one(config.clone()).1).await.unwrap(),
            "hello\n",
            "{kind}"
        );
    }
    config.host_keys = vec!["SHA256:another".to_owned()];
    let changed = hello(&one(config).1).await;
    let Err(HostError::HostKeyChanged {
        fingerprint, known, ..
    }) = changed
    else {
        panic!("{changed:?}")
    };
    assert_eq!(fingerprint, sshd.fingerprint("ed25519"));
    assert_eq!(known, ["SHA256:another"]);
}

/// What an untouched ESXi 8 allows, in FIPS mode.
const FIPS: &str = "\
    Ciphers aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr\n\
    HostKeyAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-256,rsa-sha2-512\n\
    PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-256,rsa-sha2-512\n\
    KexAlgorithms ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256\n\
    MACs hmac-sha2-256,hmac-sha2-512\nRekeyLimit 1M";

#[tokio::test]
async fn a_host_in_fips_mode_is_served_with_rsa_and_named_with_ed25519() {
    let Some(sshd) = Sshd::start(FIPS) else {
        return;
    };
    let key = sshd.path("user_rsa");
    keygen("rsa", &key, "");
    let both = [sshd.path("id.pub"), key.with_extension("pub")]
        .map(|path| std::fs::read_to_string(path).unwrap())
        .concat();
    std::fs::write(sshd.path("authorized_keys"), both).unwrap();
    let mut config = sshd.config();
    config.host_keys = vec![sshd.fingerprint("ecdsa")];
    let refused = hello(&one(config.clone()).1).await.unwrap_err();
    assert!(refused.to_string().contains("(ed25519): "), "{refused}");
    config.auth.push(Credential::Key(key));
    let (_hosts, host) = one(config);
    assert_eq!(hello(&host).await.unwrap(), "hello\n");
    let big = host
        .read(Lane::Control, &sh("head -c 3000000 /dev/zero"))
        .await
        .unwrap();
    assert_eq!(big.stdout.len(), 3_000_000);
}

#[tokio::test]
async fn a_host_with_nothing_but_sha1_is_named_as_such() {
    let Some(sshd) = Sshd::start_with_rsa("HostKeyAlgorithms ssh-rsa") else {
        return;
    };
    let error = hello(&one(sshd.config()).1).await.unwrap_err();
    let HostError::NoCommonAlgorithm { detail } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(detail, "for host key the host offers only ssh-rsa");
}

#[tokio::test]
async fn what_does_not_answer_as_an_ssh_server_is_told_apart() {
    let (_refuses, port) = refusing_port();
    let closed = hello(&one(config(port, vec![])).1).await.unwrap_err();
    assert!(matches!(closed, HostError::Refused { .. }), "{closed:?}");
    assert!(closed.passing() && closed.fault(&name()).next.contains("Enable SSH"));

    let mut nameless = config(22, vec![]);
    nameless.address.host = "no-such-host.invalid".into();
    let unknown = hello(&one(nameless).1).await.unwrap_err();
    assert!(
        matches!(unknown, HostError::Unreachable { .. }),
        "{unknown:?}"
    );

    let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut client, _) = web.accept().unwrap();
        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let web = hello(&one(config(port, vec![])).1).await.unwrap_err();
    assert!(matches!(web, HostError::Handshake { .. }), "{web:?}");

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let quick = Limits {
        handshake: Duration::from_millis(200),
        ..limits()
    };
    let policy = Policy::for_mode(Mode::Failover);
    let hosts = Hosts::with_settings(
        vec![config(port, vec![])],
        policy,
        Redactor::new(),
        None,
        quick,
    );
    let late = hello(&hosts.host(&name()).unwrap()).await.unwrap_err();
    assert!(matches!(late, HostError::TimedOut { .. }), "{late:?}");
}
