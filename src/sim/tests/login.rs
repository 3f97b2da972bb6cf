//! Who gets in, and who does not.

use std::time::{Duration, Instant};

use super::support::{TestSite, handshake};
use ssh2::{KeyboardInteractivePrompt, MethodType, Prompt};

struct Typed(String);

impl KeyboardInteractivePrompt for Typed {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt]) -> Vec<String> {
        assert_eq!(prompts[0].text, "Password: ");
        assert!(!prompts[0].echo);
        vec![self.0.clone()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn esxi_takes_passwords_by_keyboard_interactive_only() {
    let site = TestSite::start().await;
    let endpoint = site.endpoint("lee-esx1");
    let session = handshake(endpoint);
    assert_eq!(
        session.auth_methods("root").unwrap(),
        "publickey,keyboard-interactive"
    );
    assert!(
        session
            .userauth_password("root", &endpoint.password)
            .is_err()
    );
    let session = handshake(endpoint);
    session
        .userauth_keyboard_interactive("root", &mut Typed(endpoint.password.clone()))
        .unwrap();
    assert!(session.authenticated());
    let posix = site.endpoint("lee-bk1");
    let session = handshake(posix);
    session
        .userauth_password("backup", &posix.password)
        .unwrap();
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_lock_the_account_for_the_right_one_too() {
    const LOCKED: Duration = Duration::from_millis(800);
    let site = TestSite::start_with(|options| {
        options.lock_after = 3;
        options.unlock_after = LOCKED;
    })
    .await;
    let endpoint = site.endpoint("lee-esx1");
    let typed = |password: &str| {
        let session = handshake(endpoint);
        session
            .userauth_keyboard_interactive("root", &mut Typed(password.into()))
            .is_ok()
    };
    let right = || typed(&endpoint.password);
    loop {
        assert!(!typed("wrong") && !typed("wrong"));
        let began = Instant::now();
        assert!(!typed("wrong"));
        if !right() {
            break;
        }
        // Where the machine stood still meanwhile, that says nothing.
        assert!(
            began.elapsed() >= LOCKED,
            "the right password was taken although the account is locked"
        );
    }
    // A key is not concerned.
    assert_eq!(site.client("lee-esx1").run("true").status, 0);
    site.wait_until(right);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn esxi_offers_no_algorithm_that_fips_forbids() {
    let site = TestSite::start().await;
    let session = handshake(site.endpoint("lee-esx1"));
    assert_eq!(
        session.methods(MethodType::HostKey),
        Some("ecdsa-sha2-nistp256")
    );
    assert!(
        session
            .methods(MethodType::Kex)
            .unwrap()
            .starts_with("ecdh-sha2-nistp")
    );
    assert!(
        session
            .methods(MethodType::CryptCs)
            .unwrap()
            .starts_with("aes")
    );
    let (_, kind) = session.host_key().unwrap();
    assert!(matches!(kind, ssh2::HostKeyType::Ecdsa256));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_accepts_and_says_nothing() {
    let site = TestSite::start().await;
    let name = crate::names::HostName::from("lee-esx1");
    site.site
        .inject(&name, crate::sim::Injection::Hang(true))
        .unwrap();
    let mut stream = std::net::TcpStream::connect(site.endpoint("lee-esx1").address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let silent = std::io::Read::read(&mut stream, &mut [0; 8]).unwrap_err();
    assert_eq!(silent.kind(), std::io::ErrorKind::WouldBlock);
    site.site
        .inject(&name, crate::sim::Injection::Hang(false))
        .unwrap();
    assert_eq!(site.client("lee-esx1").run("true").status, 0);
    site.stop().await;
}
