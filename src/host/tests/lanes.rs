//! A host's sessions side by side: lanes, the gate before hostd, and an idle one.

use super::proxy::Proxy;
use super::sshd::Sshd;
use super::*;

#[tokio::test]
async fn lanes_work_side_by_side_on_at_most_six_sessions() {
    let Some(sshd) = Sshd::start("") else { return };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    let mut lanes = vec![Lane::Control, Lane::Answer, Lane::Telemetry];
    lanes.extend((0..9).map(Lane::Transfer));
    let started = Instant::now();
    let calls = lanes.iter().map(|lane| {
        let (host, lane) = (host.clone(), *lane);
        async move {
            host.read(lane, &sh("sleep 0.3; echo done"))
                .await
                .unwrap()
                .text()
        }
    });
    let texts = futures_util::future::join_all(calls).await;
    assert!(texts.iter().all(|text| text == "done\n"));
    assert_eq!(proxy.accepted(), 5);
    for lane in 0..3 {
        let path = sshd.path("disk");
        let access = FileAccess::Write(intent());
        let file = host.open_file(Lane::Transfer(lane), path.to_str().unwrap(), access);
        file.await.unwrap().finish().await.unwrap();
    }
    assert_eq!(proxy.accepted(), 6);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_transfers_command_need_not_wait_for_a_long_one_of_another() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let mark = sshd.path("mark").display().to_string();
    let long = sh(&format!("until [ -e {mark} ]; do sleep 0.05; done")).deadline(SOON);
    let short = sh(&format!(": >{mark}; echo made")).deadline(SOON);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let lane = Lane::Transfer(1);
    let _following = host.follow(lane, &short, move |line| {
        hears.lock().unwrap().push(line.to_owned());
    });
    let (long, short) = tokio::join!(host.read(lane, &long), host.read(lane, &short));
    assert_eq!((long.unwrap().status, short.unwrap().status), (0, 0));
    assert_eq!(*heard.lock().unwrap(), ["made"]);
}

#[tokio::test]
async fn an_idle_session_answers_the_host_and_stays() {
    let asks = "ClientAliveInterval 1\nClientAliveCountMax 60\nLogLevel DEBUG1";
    let Some(sshd) = Sshd::start(asks) else {
        return;
    };
    let proxy = Proxy::to(sshd.port);
    let (_hosts, host) = one(sshd.config_via(proxy.port));
    host.read(Lane::Control, &sh("true")).await.unwrap();
    let answers = || {
        let log = std::fs::read_to_string(sshd.path("log")).unwrap();
        log.matches(" for keepalive").count()
    };
    let began = Instant::now();
    while answers() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "no answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    host.read(Lane::Control, &sh("true")).await.unwrap();
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_host_that_allows_one_channel_is_served_as_well() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let (_hosts, host) = one(sshd.config());
    for _ in 0..3 {
        assert_eq!(
            host.read(Lane::Control, &sh("echo x"))
                .await
                .unwrap()
                .text(),
            "x\n"
        );
    }
}

#[tokio::test]
async fn a_waiting_power_on_lets_others_at_hostd_and_nothing_else_does() {
    let Some(sshd) = Sshd::start("") else { return };
    let (_hosts, host) = one(sshd.config());
    let (answered, log) = (sshd.path("answered"), sshd.path("order"));
    // A script counts as a call to hostd by what it names.
    let call = |script: &str, path: &std::path::Path| {
        HostCommand::script(Effect::Read, script, [path.to_str().unwrap()])
    };
    let wait = ": vim-cmd; until [ -e \"$1\" ]; do sleep 0.02; done";
    let answered = answered.to_str().unwrap();
    let power_on = HostCommand::write(["sh", "-c", wait, "vmsvc/power.on", answered]);
    let (pid, started) = pid_slot();
    let (powered, ()) = tokio::join!(
        host.write(Lane::Control, &power_on, intent(), started),
        async {
            while pid.lock().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let answer = call(": vim-cmd; : >\"$1\"", answered.as_ref());
            host.read(Lane::Answer, &answer).await.unwrap();
        }
    );
    assert_eq!(powered.unwrap().status, 0);

    let slow = call(
        ": esxcli; echo begin >>\"$1\"; sleep 0.3; echo end >>\"$1\"",
        &log,
    );
    let quick = call(": vim-cmd; echo quick >>\"$1\"", &log);
    let (slow, quick) = tokio::join!(host.read(Lane::Telemetry, &slow), async {
        while !log.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        host.read(Lane::Control, &quick).await
    });
    assert!(slow.is_ok() && quick.is_ok());
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        "begin\nend\nquick\n"
    );
}
