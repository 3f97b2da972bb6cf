//! Answers, refusals and silence, in the words of many makes of tools, and on this machine.

use std::net::TcpListener;

use proptest::prelude::*;

use super::super::tests::{run, shells};
use super::*;
use crate::host::tests::refusing_port;

fn reply(status: i32, stdout: &str, stderr: &str) -> Output {
    Output {
        status,
        stdout: stdout.into(),
        stderr: stderr.into(),
        ..Output::default()
    }
}

#[test]
fn every_make_of_netcat_is_understood() {
    let parse = |status, stderr| TcpAnswer::parse(TcpTool::Nc, &reply(status, "", stderr));
    assert_eq!(
        parse(0, "Connection to 192.0.2.1 22 port [tcp/ssh] succeeded!"),
        Ok(TcpAnswer::Open)
    );
    assert_eq!(
        parse(
            1,
            "nc: connect to 192.0.2.1 port 9 (tcp) failed: Connection refused"
        ),
        Ok(TcpAnswer::Refused)
    );
    assert_eq!(
        parse(1, "(UNKNOWN) [192.0.2.1] 9 (discard) : Connection refused"),
        Ok(TcpAnswer::Refused)
    );
    assert_eq!(
        parse(
            1,
            "nc: connect to 192.0.2.1 port 9 (tcp) timed out: Operation now in progress"
        ),
        Ok(TcpAnswer::Silent)
    );
    assert_eq!(parse(1, "Ncat: TIMEOUT."), Ok(TcpAnswer::Silent));
    assert_eq!(
        parse(
            1,
            "nc: connect to 192.0.2.1 port 9 (tcp) failed: No route to host"
        ),
        Ok(TcpAnswer::Silent)
    );
    assert_eq!(parse(1, ""), Ok(TcpAnswer::Silent));
}

#[test]
fn a_question_that_was_not_asked_is_not_silence() {
    let missing = |status, text| {
        matches!(
            TcpAnswer::parse(TcpTool::Nc, &reply(status, "", text)),
            Err(DriverFault::ToolMissing { .. })
        )
    };
    assert!(missing(127, "sh: nc: not found"));
    assert!(missing(
        1,
        "nc: invalid option -- 'z'\nBusyBox v1.20 multi-call binary.\n\nUsage: nc [OPTIONS]"
    ));
    for text in [
        "nc: getaddrinfo: Name or service not known",
        "nc: connect: Network is unreachable",
        "strange",
    ] {
        let answer = TcpAnswer::parse(TcpTool::Nc, &reply(1, "", text));
        assert!(matches!(answer, Err(DriverFault::Failed { .. })), "{text}");
    }
    assert!(TcpAnswer::parse(TcpTool::Nc, &reply(2, "", "")).is_err());
    assert!(
        TcpAnswer::parse(
            TcpTool::Python3,
            &reply(0, "error [Errno 101] Network is unreachable\n", "")
        )
        .is_err()
    );
    assert!(TcpAnswer::parse(TcpTool::Python3, &reply(0, "", "")).is_err());
}

#[test]
fn bash_is_cut_off_by_timeout() {
    assert_eq!(
        TcpAnswer::parse(TcpTool::Bash, &reply(124, "", "")),
        Ok(TcpAnswer::Silent)
    );
    assert_eq!(
        TcpAnswer::parse(
            TcpTool::Bash,
            &reply(1, "", "_: connect: Connection refused")
        ),
        Ok(TcpAnswer::Refused)
    );
    assert!(TcpAnswer::parse(TcpTool::Bash, &reply(1, "", "")).is_err());
}

#[test]
fn the_tools_of_this_machine_find_an_open_and_a_closed_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let (_refuses, closed) = refusing_port();
    let shell = &shells()[0];
    let mut asked = 0;
    for tool in TcpTool::ALL {
        let answer = TcpAnswer::parse(tool, &run(shell, &tcp(tool, "127.0.0.1", open, 2)));
        if let Err(DriverFault::ToolMissing { tool, .. }) = answer {
            println!("{tool} is missing here: not tried");
            continue;
        }
        asked += 1;
        assert_eq!(answer, Ok(TcpAnswer::Open), "{tool}");
        let answer = TcpAnswer::parse(tool, &run(shell, &tcp(tool, "127.0.0.1", closed, 2)));
        assert_eq!(answer, Ok(TcpAnswer::Refused), "{tool}");
    }
    assert!(asked > 0, "nothing here to ask with");
}

#[test]
fn pings_are_counted() {
    let linux = "--- 192.0.2.1 ping statistics ---\n3 packets transmitted, 2 received, 33% packet loss, time 2003ms\n";
    let busybox = "3 packets transmitted, 0 packets received, 100% packet loss\n";
    let errors = "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2040ms\n";
    assert_eq!(Ping::parse(&reply(1, linux, "")), Ok(Ping::Answers));
    assert_eq!(Ping::parse(&reply(1, busybox, "")), Ok(Ping::Silent));
    assert_eq!(Ping::parse(&reply(1, errors, "")), Ok(Ping::Silent));
    assert!(Ping::parse(&reply(1, "0 packets transmitted, 0 received\n", "")).is_err());
    assert!(Ping::parse(&reply(2, "", "ping: connect: Network is unreachable")).is_err());
    assert!(Ping::parse(&reply(0, "", "")).is_err());
}

#[test]
fn only_a_fresh_neighbour_counts() {
    let line = |state: &str| format!("192.0.2.7 dev eth0 lladdr 00:0C:29:00:00:01 {state} \n");
    let asked = Duration::from_millis(3200);
    let parse = |text: &str| Seen::parse(&reply(0, text, ""), asked).unwrap();
    let mac = || "00:0c:29:00:00:01".to_owned();
    // iproute2 of today, of before and BusyBox, whose times are told without being asked for.
    for times in [
        "used 40/{}/1probes 1",
        "ref 1 used 40/{}/1 probes 1",
        "ref 2 used 40/{}/1",
    ] {
        let confirmed = |ago: &str| line(&format!("{} REACHABLE", times.replace("{}", ago)));
        assert_eq!(parse(&confirmed("2")), Seen::Answers(mac()), "{times}");
        assert_eq!(
            parse(&confirmed("3")),
            Seen::Answers(mac()),
            "as the ping began"
        );
        assert_eq!(parse(&confirmed("4")), Seen::Before(mac()), "{times}");
        assert_eq!(parse(&confirmed("44")), Seen::Before(mac()), "{times}");
    }
    assert_eq!(parse(&line("REACHABLE")), Seen::Undated(mac()));
    assert_eq!(parse("192.0.2.7 dev eth0 FAILED\n"), Seen::Silent);
    assert_eq!(
        parse("192.0.2.7 dev eth0  used 958/1063/957probes 6 FAILED \n"),
        Seen::Silent
    );
    assert_eq!(parse("192.0.2.7 dev eth0 INCOMPLETE\n"), Seen::Silent);
    for text in [
        line("STALE"),
        line("DELAY"),
        line("used 9/50/5probes 1 PROBE"),
    ] {
        assert_eq!(parse(&text), Seen::Asking, "{text}");
    }
    assert_eq!(parse(""), Seen::Unknown);
    assert!(Seen::parse(&reply(127, "", "sh: ip: not found"), asked).is_err());
}

proptest! {
    #[test]
    fn never_panics(status in 0..200, text in ".{0,200}", seconds in 0_u8..) {
        for tool in TcpTool::ALL {
            let _ = TcpAnswer::parse(tool, &reply(status, &text, &text));
        }
        let _ = Ping::parse(&reply(status, &text, &text));
        let _ = Seen::parse(&reply(status, &text, &text), Duration::from_secs(seconds.into()));
    }
}
