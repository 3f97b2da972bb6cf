//! Commands, with an sshd that does well and connections that do not.

use std::time::Instant;

use super::proxy::Proxy;
use super::sshd::Sshd;
use super::*;

/// A command that ends only with the test.
fn endless(sshd: &Sshd) -> HostCommand {
    sh(&format!(
        "while [ -d {} ]; do sleep 0.1; done",
        sshd.dir.path().display()
    ))
}

#[tokio::test]
async fn a_command_is_run_and_its_outputs_and_status_come_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let (hosts, host) = one(sshd.config());
    let command = sh("echo out; echo err >&2; cat; exit 7").stdin("in");
    let output = host.read(Lane::Control, &command).await.unwrap();
    assert_eq!(output.text(), "out\nin");
    assert_eq!(output.error_text(), "err\n");
    assert_eq!(output.status, 7);
    let killed = host.read(Lane::Control, &sh("kill -9 $$")).await.unwrap();
    assert_eq!(killed.status, 128 + 9);
    hosts.close().await;
    assert_eq!(
        host.read(Lane::Control, &sh("true")).await,
        Err(HostError::Closed)
    );
}

#[tokio::test]
async fn a_line_that_cannot_be_sent_is_refused_before_it_is() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let line = |length: usize| {
        let command = |word: String| HostCommand::write(["echo", word.as_str()]);
        let rest = length - command(String::new()).line().len();
        command("x".repeat(rest + 2))
    };
    // The longest that a person may write arrives whole, with what is put before it.
    let most = HostCommand::MAX_LINE - crate::host::process::WRITE_PREFIX.len();
    let (_, started) = pid_slot();
    let longest = line(most);
    let sent = host.write(Lane::Control, &longest, intent(), started);
    assert_eq!(
        sent.await.unwrap().text().trim().len(),
        most - "echo ".len()
    );
    let (_, started) = pid_slot();
    let longer = line(most + 1);
    let refused = host.write(Lane::Control, &longer, intent(), started);
    let refused = refused.await.unwrap_err();
    let bytes = HostCommand::MAX_LINE + 1;
    let most = HostCommand::MAX_LINE;
    assert_eq!(
        refused,
        WriteError::NotSent(HostError::TooLong { bytes, most })
    );
    let fault = refused.fault(&"lee1".into());
    assert!(fault.what.contains("is longer than SSH carries"), "{fault}");
    assert!(!fault.passing && fault.next.contains("shorten"), "{fault}");
}

#[tokio::test]
async fn a_write_tells_its_process_before_anything_else() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let (pid, started) = pid_slot();
    let command = HostCommand::script(Effect::Write, "echo \"$1\" $$; exit 3", ["it's here"]);
    let output = host
        .write(Lane::Control, &command, intent(), started)
        .await
        .unwrap();
    let pid = pid.lock().unwrap().unwrap();
    assert_eq!(output.text(), format!("it's here {pid}\n"));
    assert_eq!(output.status, 3);
}

#[tokio::test]
async fn a_write_is_sent_in_the_form_that_the_journal_relies_on() {
    let Some(sshd) = Sshd::start("ForceCommand echo \"$SSH_ORIGINAL_COMMAND\"") else {
        return;
    };
    let (_hosts, host) = one(sshd.config());
    let command = HostCommand::write(["vim-cmd", "solo/registervm", "/vmfs/volumes/a b/x.vmx"]);
    let output = host
        .write(Lane::Control, &command, intent(), |_| {})
        .await
        .unwrap();
    assert_eq!(
        output.text(),
        "sh -c 'echo $$; exec \"$@\"' _ vim-cmd solo/registervm '/vmfs/volumes/a b/x.vmx'\n"
    );
}

#[tokio::test]
async fn a_command_that_reads_none_of_its_input_ends_as_it_ends() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let command = sh("exec 0<&-; exit 4").stdin(vec![0; 8 << 20]);
    assert_eq!(host.read(Lane::Control, &command).await.unwrap().status, 4);
}

#[tokio::test]
async fn what_the_policy_forbids_never_connects() {
    let sink = Proxy::to(1);
    let mut far = config(sink.port, vec![]);
    far.role = SiteRole::Protected;
    let drill = Policy::for_mode(Mode::Drill);
    let hosts = Hosts::with_settings(vec![far], drill, Redactor::new(), None, limits());
    let host = hosts.host(&name()).unwrap();
    let refused = |result: Result<Output, WriteError>| {
        matches!(
            result,
            Err(WriteError::NotSent(HostError::PolicyRefused(_)))
        )
    };
    let command = HostCommand::write(["rm", "x"]);
    assert!(refused(
        host.write(Lane::Control, &command, intent(), |_| {}).await
    ));
    assert!(matches!(
        host.read(Lane::Control, &command).await,
        Err(HostError::PolicyRefused(_))
    ));
    let file = host
        .open_file(Lane::Control, "/x", FileAccess::Write(intent()))
        .await;
    assert!(matches!(file, Err(HostError::PolicyRefused(_))));
    assert_eq!(sink.accepted(), 0);
}

#[tokio::test]
async fn practice_connects_to_loopback_only() {
    let mut far = config(22, vec![]);
    far.address.host = "192.0.2.1".into();
    let practice = Policy::for_mode(Mode::Practice);
    let hosts = Hosts::with_settings(vec![far], practice, Redactor::new(), None, limits());
    let refused = hosts
        .host(&name())
        .unwrap()
        .read(Lane::Control, &sh("true"))
        .await;
    assert!(
        matches!(refused, Err(HostError::PolicyRefused(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn eight_megabytes_of_standard_error_do_not_hang() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let command = sh("head -c 8000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo end >&2")
        .max_output(9 << 20);
    let output = host.read(Lane::Control, &command).await.unwrap();
    assert_eq!(
        (output.stderr.len(), output.stdout.len()),
        (8_000_004, 3_000_000)
    );
    assert!(!output.truncated);
}

#[tokio::test]
async fn input_and_output_flow_at_once_and_survive_new_keys() {
    let Some(sshd) = Sshd::start("RekeyLimit 1M") else {
        return;
    };
    let (_hosts, host) = one(sshd.config());
    let input: Vec<u8> = (0..6_000_000u32).map(|n| (n % 251) as u8).collect();
    let command = sh("cat").stdin(input.clone()).max_output(8 << 20);
    let output = host.read(Lane::Control, &command).await.unwrap();
    assert_eq!(output.status, 0);
    assert!(output.stdout == input);
}

#[tokio::test]
async fn output_beyond_the_limit_is_dropped_and_endless_output_cut_off() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let command = sh("head -c 100000 /dev/zero; echo end >&2").max_output(1000);
    let output = host.read(Lane::Control, &command).await.unwrap();
    assert_eq!((output.stdout.len(), output.truncated), (1000, true));
    assert_eq!(output.error_text(), "end\n");
    let endless = host
        .read(Lane::Control, &sh("cat /dev/zero").max_output(1000))
        .await;
    assert!(
        matches!(endless, Err(HostError::TooMuchOutput(_))),
        "{endless:?}"
    );
    assert!(host.read(Lane::Control, &sh("true")).await.is_ok());
}

#[tokio::test]
async fn a_write_that_dies_is_lost_with_its_process_and_never_sent_again() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    let log = sshd.path("ran");
    let script = "echo ran >>\"$1\"; sleep 1; echo finished >>\"$1\"";
    let command = HostCommand::script(Effect::Write, script, [log.to_str().unwrap()]);
    let (pid, started) = pid_slot();
    let cut = async {
        while pid.lock().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.cut();
    };
    let (result, ()) = tokio::join!(host.write(Lane::Control, &command, intent(), started), cut);
    let told = *pid.lock().unwrap();
    match result {
        Err(WriteError::Lost { pid, cause }) => {
            assert_eq!(pid, told);
            assert!(cause.passing(), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    // Closing its channel does not end it.
    let finished = || std::fs::read_to_string(&log).is_ok_and(|text| text == "ran\nfinished\n");
    for _ in 0..1000 {
        if finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(finished());
    assert!(host.read(Lane::Control, &sh("true")).await.is_ok());
}

#[tokio::test]
async fn a_session_that_died_between_commands_costs_nothing() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    host.read(Lane::Control, &sh("true")).await.unwrap();
    proxy.cut();
    host.read(Lane::Control, &sh("true")).await.unwrap();
    proxy.cut();
    let (pid, started) = pid_slot();
    host.write(
        Lane::Control,
        &HostCommand::write(["true"]),
        intent(),
        started,
    )
    .await
    .unwrap();
    assert!(pid.lock().unwrap().is_some());
    assert_eq!(proxy.accepted(), 3);
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_the_session() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let slow = endless(&sshd).deadline(Duration::from_millis(300));
    let started = Instant::now();
    let late = host.read(Lane::Control, &slow).await;
    assert!(matches!(late, Err(HostError::TimedOut { .. })), "{late:?}");
    assert!(started.elapsed() < SOON);
    let script = endless(&sshd).words()[2].clone();
    let write = HostCommand::script(Effect::Write, &script, [""; 0]);
    let late = async |deadline| {
        let write = write.clone().deadline(deadline);
        host.write(Lane::Control, &write, intent(), |_| {}).await
    };
    let mut lost = late(Duration::from_millis(1500)).await;
    if matches!(lost, Err(WriteError::Lost { pid: None, .. })) {
        // The machine stood still before the host could tell.
        lost = late(Duration::from_secs(15)).await;
    }
    assert!(
        matches!(lost, Err(WriteError::Lost { pid: Some(_), .. })),
        "{lost:?}"
    );
    assert!(host.read(Lane::Control, &sh("true")).await.is_ok());
}

#[tokio::test]
async fn dropping_the_future_cancels_the_command() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    host.read(Lane::Control, &sh("true")).await.unwrap();
    let endless = endless(&sshd);
    let dropped = tokio::time::timeout(
        Duration::from_millis(200),
        host.read(Lane::Control, &endless),
    )
    .await;
    assert!(dropped.is_err());
    let started = Instant::now();
    assert!(host.read(Lane::Control, &sh("true")).await.is_ok());
    assert!(started.elapsed() < SOON);
}

#[tokio::test]
async fn a_host_that_hangs_holds_up_neither_deadline_nor_shutdown() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (hosts, host) = one(sshd.config_via(proxy.port));
    let path = sshd.path("f").to_str().unwrap().to_owned();
    let mut file = host
        .open_file(Lane::Transfer(0), &path, FileAccess::Write(intent()))
        .await
        .unwrap();
    host.read(Lane::Control, &sh("true")).await.unwrap();
    proxy.hang();
    file.write_at(0, vec![7; 1 << 20]).await.unwrap();
    let started = Instant::now();
    let late = host
        .read(
            Lane::Control,
            &sh("true").deadline(Duration::from_millis(300)),
        )
        .await;
    assert!(matches!(late, Err(HostError::TimedOut { .. })), "{late:?}");
    let waiting = tokio::spawn(async move { file.finish().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    hosts.close().await;
    let lost = waiting.await.unwrap();
    assert!(
        matches!(lost, Err(WriteError::Lost { .. } | WriteError::NotSent(_))),
        "{lost:?}"
    );
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_quiet_command_is_no_dead_host_and_a_dead_host_is_noticed() {
    let Some(sshd) = Sshd::start("") else { return };
    // libssh2 sends no keepalive sooner than two seconds after the last.
    let limits = Limits {
        keepalive: Duration::from_millis(2100),
        ..limits()
    };
    let quiet = hosts_within(vec![sshd.config()], limits)
        .host(&name())
        .unwrap();

    let proxy = Proxy::to(sshd.port);
    let limits = Limits {
        keepalive: Duration::from_millis(300),
        handshake: Duration::from_secs(1),
        ..limits
    };
    let hung = hosts_within(vec![sshd.config_via(proxy.port)], limits)
        .host(&name())
        .unwrap();
    connected(&hung, Lane::Control).await;
    let silence = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.hang();
    };
    let (command, forever) = (sh("sleep 9; echo done"), endless(&sshd));
    let (done, lost, ()) = tokio::join!(
        quiet.read(Lane::Control, &command),
        hung.read(Lane::Control, &forever),
        silence
    );
    assert_eq!(done.unwrap().text(), "done\n");
    // The read was sent again on a new session, which the host does not answer either.
    assert!(
        matches!(lost, Err(HostError::Lost(_) | HostError::TimedOut { .. })),
        "{lost:?}"
    );
}

#[tokio::test]
async fn it_is_seen_how_many_channels_a_session_takes_and_the_session_goes_on() {
    for (setting, two) in [
        ("MaxSessions 1", false),
        ("MaxSessions 2", true),
        ("", true),
    ] {
        let Some(sshd) = Sshd::start(setting) else {
            return;
        };
        let (_hosts, host) = one(sshd.config());
        for _ in 0..2 {
            let opened = host.opens_two_channels(Lane::Control).await;
            assert_eq!(opened, Ok(two), "{setting}");
            let told = host.read(Lane::Control, &sh("echo x")).await;
            assert_eq!(told.unwrap().text(), "x\n", "{setting}");
        }
    }
}

#[tokio::test]
async fn calls_to_hostd_are_measured_where_they_are_answered() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let takes = || host.shared().gate.call();
    let hang = sh(": esxcli; exec sleep 100").deadline(Duration::from_millis(50));
    for _ in 0..3 {
        host.read(Lane::Control, &sh("echo x")).await.unwrap();
        assert!(host.read(Lane::Control, &hang).await.is_err());
    }
    assert_eq!(takes(), None, "no call was answered");
    for _ in 0..3 {
        let call = sh(": esxcli; sleep 0.2");
        host.read(Lane::Control, &call).await.unwrap();
    }
    let before = takes();
    assert!(before.is_some_and(|took| took >= Duration::from_millis(200)));
    for _ in 0..9 {
        let call = HostCommand::write(["sh", "-c", ": vim-cmd"]);
        let written = host.write(Lane::Control, &call, intent(), |_| {});
        written.await.unwrap();
    }
    assert_ne!(takes(), before, "writes count too");
}

#[tokio::test]
async fn output_is_told_as_it_comes_sanitised_and_masked() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut config = sshd.config();
    config.auth.push(password("s3cret!"));
    let (hosts, host) = one(config);
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    hosts.set_output_sink(Arc::new(move |event: OutputEvent| {
        sink.lock().unwrap().push(event)
    }));
    let script =
        r"printf '\033[31mred\033[0m s3cret!\n'; printf '5%%\r'; sleep 0.1; printf '9%%\n'";
    let command = HostCommand::script(Effect::Write, script, ["s3cret!"]);
    let output = host
        .write(Lane::Control, &command, intent(), |_| {})
        .await
        .unwrap();
    assert!(output.text().contains("\x1b[31m"));
    let for_somebody_else = sh("echo 1417; echo 1418 >&2").untold();
    let output = host.read(Lane::Control, &for_somebody_else).await.unwrap();
    assert_eq!(output.text(), "1417\n");
    let events = events.lock().unwrap();
    let line = |text: &str| LiveOutput::Line {
        stream: Stream::Out,
        text: text.into(),
    };
    let told: Vec<_> = events.iter().map(|event| event.what.clone()).collect();
    let (what, untold) = told.split_at(5);
    assert_eq!(
        untold,
        [LiveOutput::Sent, LiveOutput::Ended { status: Some(0) }]
    );
    let progress = LiveOutput::Progress {
        stream: Stream::Out,
        text: "5%".into(),
    };
    let ended = LiveOutput::Ended { status: Some(0) };
    assert_eq!(
        what,
        [
            LiveOutput::Sent,
            line("red ***"),
            progress,
            line("9%"),
            ended
        ]
    );
    assert!(events.iter().all(|event| !event.command.contains("s3cret")));
}

#[tokio::test]
async fn words_of_the_login_shell_before_a_command_are_left_out_of_what_it_prints() {
    let Some(sshd) =
        Sshd::start("ForceCommand echo Welcome; printf '> '; eval \"$SSH_ORIGINAL_COMMAND\"")
    else {
        return;
    };
    let (_hosts, host) = one(sshd.config());
    let command = sh("echo out; echo err >&2; cat; exit 7").stdin("in");
    let output = host.read(Lane::Control, &command).await.unwrap();
    assert_eq!(output.text(), "out\nin");
    assert_eq!(output.error_text(), "err\n");
    assert_eq!(output.status, 7);
    let (pid, started) = pid_slot();
    let command = HostCommand::script(Effect::Write, "echo $$", [""; 0]);
    let output = host
        .write(Lane::Transfer(0), &command, intent(), started)
        .await
        .unwrap();
    let pid = pid.lock().unwrap().unwrap();
    assert_eq!(output.text(), format!("{pid}\n"));
}
