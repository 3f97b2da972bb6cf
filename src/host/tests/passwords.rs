//! Passwords: each once, and never again after a refusal.

use russh::MethodKind;

use super::toy::{Running, Toy};
use super::*;

async fn hello(host: &Host) -> Result<String, HostError> {
    host.read(Lane::Control, &HostCommand::read(["hello"]))
        .await
        .map(|output| output.text())
}

fn hosts_of(servers: &[(&str, &Running, &str)]) -> Hosts {
    hosts(
        servers
            .iter()
            .map(|(name, server, secret)| server.config(name, secret))
            .collect(),
    )
}

fn named(hosts: &Hosts, name: &str) -> Arc<Host> {
    hosts.host(&name.into()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_goes_through_either_method_once() {
    for method in [MethodKind::Password, MethodKind::KeyboardInteractive] {
        let server = Toy {
            method,
            ..Toy::default()
        }
        .start()
        .await;
        let hosts = hosts_of(&[("lee1", &server, "right")]);
        assert_eq!(hello(&named(&hosts, "lee1")).await.unwrap(), "hello\n");
        assert_eq!(server.tried(), ["right"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_is_dead_everywhere() {
    let (one, two) = (Toy::default().start().await, Toy::default().start().await);
    let other = Toy {
        password: "other",
        ..Toy::default()
    }
    .start()
    .await;
    let hosts = hosts_of(&[
        ("lee1", &one, "wrong"),
        ("lee2", &two, "wrong"),
        ("lee3", &other, "other"),
    ]);
    let (lee1, lee2, lee3) = (
        named(&hosts, "lee1"),
        named(&hosts, "lee2"),
        named(&hosts, "lee3"),
    );
    // All lanes of a host at once make one attempt.
    let lanes = [Lane::Control, Lane::Telemetry, Lane::Transfer(0)];
    let command = HostCommand::read(["hello"]);
    let results = futures_util::future::join_all(lanes.map(|lane| lee1.read(lane, &command))).await;
    for result in results {
        assert!(
            matches!(result, Err(HostError::LoginRefused { .. })),
            "{result:?}"
        );
    }
    let second = hello(&lee2).await.unwrap_err();
    assert!(second.to_string().contains("not tried"), "{second}");
    assert_eq!(
        (one.tried(), two.tried()),
        (vec!["wrong".to_owned()], vec![])
    );
    // Another password of the same user is not concerned.
    assert_eq!(hello(&lee3).await.unwrap(), "hello\n");

    hosts.retry_login(&"lee1".into());
    assert!(hello(&lee1).await.is_err());
    assert_eq!(one.tried(), ["wrong"]);

    assert_eq!(hello(&lee3).await.unwrap(), "hello\n");
    assert_eq!(other.tried(), ["other"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_no_host_was_given_is_not_dead() {
    let (one, two) = (Toy::default().start().await, Toy::default().start().await);
    let mut patient = one.config("lee1", "wrong 1");
    let others = ["wrong 2", "wrong 3", "wrong 4", "wrong 5", "right"];
    patient.auth.extend(others.map(password));
    let hosts = hosts(vec![patient, two.config("lee2", "right")]);
    let first = hello(&named(&hosts, "lee1")).await.unwrap_err();
    assert!(first.to_string().contains("not tried, 5 ways"), "{first}");
    assert_eq!(one.tried().len(), 5, "{:?}", one.tried());
    assert_eq!(hello(&named(&hosts, "lee2")).await.unwrap(), "hello\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_answers_one_round_of_questions() {
    let server = Toy {
        wants_code: true,
        ..Toy::default()
    }
    .start()
    .await;
    let hosts = hosts_of(&[("lee1", &server, "right")]);
    let error = hello(&named(&hosts, "lee1")).await.unwrap_err();
    assert!(
        error.to_string().contains("more than the password"),
        "{error}"
    );
    assert_eq!(server.tried(), ["right", ""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_up_at_the_password_gets_three() {
    let server = Toy {
        hangs_up: true,
        ..Toy::default()
    }
    .start()
    .await;
    let hosts = hosts_of(&[("lee1", &server, "right")]);
    let host = named(&hosts, "lee1");
    for last in [false, false, true, true] {
        let error = hello(&host).await.unwrap_err();
        assert_eq!(
            matches!(error, HostError::LoginRefused { .. }),
            last,
            "{error:?}"
        );
    }
    assert_eq!(server.tried().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_the_host_will_not_start_was_not_sent() {
    let server = Toy::default().start().await;
    let hosts = hosts_of(&[("lee1", &server, "right")]);
    let host = named(&hosts, "lee1");
    let denied = HostCommand::write(["denied"]);
    let result = host.write(Lane::Control, &denied, intent(), |_| {}).await;
    assert!(
        matches!(result, Err(WriteError::NotSent(HostError::NotRun(_)))),
        "{result:?}"
    );
    // A host that tells no process id is not misread, and the session goes on.
    let (pid, started) = pid_slot();
    let command = HostCommand::write(["hello"]);
    let output = host
        .write(Lane::Control, &command, intent(), started)
        .await
        .unwrap();
    assert_eq!(
        (output.text().as_str(), *pid.lock().unwrap()),
        ("hello\n", None)
    );
    assert_eq!(server.tried().len(), 1);
}
