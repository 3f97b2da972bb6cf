//! What the shell makes of command lines.

use super::support::TestSite;

/// A script, what it prints, and its status.
const TABLE: &[(&str, &str, i32)] = &[
    ("echo one two", "one two\n", 0),
    ("echo 'a  b' \"c  $HOME\" d\\ e", "a  b c  / d e\n", 0),
    (
        "x=5; echo $x ${x}y \"${z:-none}\" ${#x}",
        "5 5y none 1\n",
        0,
    ),
    (
        "x='a b'; for w in $x \"$x\"; do echo \"[$w]\"; done",
        "[a]\n[b]\n[a b]\n",
        0,
    ),
    (
        "false || echo no; true && echo yes; ! false; echo $?",
        "no\nyes\n0\n",
        0,
    ),
    (
        "if [ 3 -gt 2 ] && test -n x; then echo t; elif true; then echo e; else echo f; fi",
        "t\n",
        0,
    ),
    (
        "i=0; while [ $i -lt 3 ]; do echo $i; i=$((i + 1)); done",
        "0\n1\n2\n",
        0,
    ),
    (
        "for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done",
        "1\n3\n",
        0,
    ),
    (
        "case abc in x) echo x;; a*|b) echo hit;; *) echo miss;; esac",
        "hit\n",
        0,
    ),
    (
        "echo $(echo inner; echo more) `echo back`",
        "inner more back\n",
        0,
    ),
    ("printf '%s-%03d\\n' a 7 b 8", "a-007\nb-008\n", 0),
    ("echo a b c | { read x y; echo \"$y|$x\"; }", "b c|a\n", 0),
    (
        "cat <<EOF\nhome is $HOME\nEOF\necho after",
        "home is /\nafter\n",
        0,
    ),
    ("cat <<'EOF'\nraw $HOME\nEOF", "raw $HOME\n", 0),
    (
        "sh -c 'echo $0 $1 $#' name first second",
        "name first 2\n",
        0,
    ),
    (
        "sh -c 'for a in \"$@\"; do echo \"<$a>\"; done' _ 'x y' '' z",
        "<x y>\n<>\n<z>\n",
        0,
    ),
    ("set -e; false; echo never", "", 1),
    ("set -e; if false; then :; fi; echo here", "here\n", 0),
    ("(exit 4); echo $?; (cd /tmp; pwd); pwd", "4\n/tmp\n/\n", 0),
    ("exit 300", "", 44),
    ("nosuchprogram; echo $?", "127\n", 0),
    (
        "mkdir -p /tmp/g; cd /tmp/g; touch b1 a1 .h; echo *1 '*1' no*",
        "a1 b1 *1 no*\n",
        0,
    ),
    (
        "echo x > /tmp/f; echo y >> /tmp/f; cat < /tmp/f; wc -l < /tmp/f",
        "x\ny\n2\n",
        0,
    ),
    ("ls /nowhere 2>&1 | sed 's/:.*//'", "ls\n", 0),
    ("ls /nowhere 2>/dev/null; echo $?", "1\n", 0),
    (
        "f=/a/b/c.txt; echo ${f##*/} ${f%/*} ${f%.txt}",
        "c.txt /a/b /a/b/c\n",
        0,
    ),
    ("echo \"a\\\"b\" 'it'\\''s'", "a\"b it's\n", 0),
    ("true & wait; echo done", "done\n", 0),
    (
        "yes=1; [ \"$yes\" ] && [ ! -e /none ] && [ -d /tmp -a -d /var ]; echo $?",
        "0\n",
        0,
    ),
    (
        "echo b; echo a | sort; printf '3\\n10\\n2\\n' | sort -n | head -n 1",
        "b\na\n2\n",
        0,
    ),
    (
        "printf 'k: v\\nother\\n' | grep -c '^k'; printf 'A b\\n' | awk '{print $2, $1}'",
        "1\nb A\n",
        0,
    ),
    ("printf 'x=1\\ny=2\\n' | sed -n 's/^y=//p'", "2\n", 0),
    (
        "echo a:b:c | cut -d: -f2; echo hello | tr a-y b-z",
        "b\nifmmp\n",
        0,
    ),
    (
        "printf 'a\\nb\\n' | while read -r l; do echo \"($l)\"; done",
        "(a)\n(b)\n",
        0,
    ),
    ("printf '1\\n2\\n' | xargs -n 1 echo n", "n 1\nn 2\n", 0),
    (
        "echo done; exec echo replaced; echo never",
        "done\nreplaced\n",
        0,
    ),
    (
        "eval 'echo ev'; command -v vim-cmd; which cat",
        "ev\n/bin/vim-cmd\n/bin/cat\n",
        0,
    ),
    (
        "x=$(false); echo $?; x=1 sh -c 'echo $x'; echo \"[$x]\"",
        "1\n1\n[]\n",
        0,
    ),
    (
        "false; s=$?; echo $s $?; x=$(exit 3); s=$?; echo $s; x=$(false) y=2; echo $?",
        "1 0\n3\n1\n",
        0,
    ),
    (
        "date -u -d @0 +%Y-%m-%dT%H:%M:%SZ",
        "1970-01-01T00:00:00Z\n",
        0,
    ),
    (
        "printf abcdef | dd bs=2 skip=1 count=1 2>/dev/null",
        "cd",
        0,
    ),
    (
        "echo a >&2 2>/dev/null; echo $$ | grep -c '^[0-9]*$'",
        "1\n",
        0,
    ),
    (
        "set -C; echo a > /tmp/once; echo b > /tmp/once; echo $?; cat /tmp/once",
        "1\na\n",
        0,
    ),
    (
        "timeout 1 sleep 100; echo $?; timeout 50 echo quick",
        "143\nquick\n",
        0,
    ),
    (
        "echo a > /tmp/l1; ln /tmp/l1 /tmp/l2 2>/dev/null; echo $?",
        "1\n",
        0,
    ),
    ("echo # comment\necho b;# c", "\nb\n", 0),
];

#[tokio::test(flavor = "multi_thread")]
async fn scripts_do_what_a_posix_shell_does() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let mut wrong = Vec::new();
    for (script, out, status) in TABLE {
        let ran = client.run(script);
        if ran.out != *out || ran.status != *status {
            wrong.push(format!(
                "{script}\n  wanted {status} {out:?}\n  found  {} {:?} {:?}",
                ran.status, ran.out, ran.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_parse_is_said_and_harms_nothing() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    for script in [
        "if true",
        "echo 'open",
        "for",
        "case x in",
        "$((1/0))",
        "a | | b",
        "((((",
        "`",
        "${",
        "<<",
        "; ;",
    ] {
        let ran = client.run(script);
        assert!(ran.status != 0 && !ran.err.is_empty(), "{script}: {ran:?}");
    }
    let deep = format!("{}true{}", "(".repeat(5000), ")".repeat(5000));
    assert_ne!(client.run(&deep).status, 0);
    let endless = "sh -c 'sh -c \"$0\" \"$0\"' 'sh -c \"$0\" \"$0\"'";
    assert_ne!(client.run(endless).status, 0);
    assert_eq!(client.run("echo alive").out, "alive\n");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_tree() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let outside = site.folder.path().join("outside");
    std::fs::write(&outside, "secret").unwrap();
    let real = outside.to_str().unwrap();
    client.run(&format!(
        "ln -s {real} /tmp/link; ln -s ../../../../../../../../{real} /tmp/up"
    ));
    for path in [
        real,
        "/tmp/link",
        "/tmp/up",
        "/../../../../../../../../etc/hostname",
        "/tmp/../../etc/shadow",
    ] {
        let ran = client.run(&format!("cat {path}"));
        assert_eq!((ran.out.as_str(), ran.status), ("", 1), "{path}: {ran:?}");
    }
    client.run(&format!("echo changed > {real}; echo changed > /tmp/link"));
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_keeps_its_number_over_exec_and_is_ended_by_kill() {
    let site = TestSite::start_with(|options| options.speed = 1.0).await;
    let client = site.client("lee-esx1");
    let mut channel = client.session.channel_session().unwrap();
    channel
        .exec("sh -c 'echo $$; exec \"$@\"' _ sleep 500")
        .unwrap();
    let mut pid = Vec::new();
    let mut byte = [0];
    while std::io::Read::read(&mut channel, &mut byte).unwrap() == 1 && byte != *b"\n" {
        pid.push(byte[0]);
    }
    let pid = String::from_utf8(pid).unwrap();
    let second = site.client("lee-esx1");
    let shown = second.run(&format!("ps -c | grep '^{pid} '"));
    assert!(shown.out.trim_end().ends_with("sleep 500"), "{shown:?}");
    // Closing the channel does not end it; a signal does.
    channel.close().unwrap();
    assert_eq!(second.run(&format!("kill -0 {pid}")).status, 0);
    assert_eq!(second.run(&format!("kill {pid}")).status, 0);
    site.wait_until(|| second.run(&format!("kill -0 {pid}")).status == 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posix_host_answers_for_its_processes_and_its_network() {
    let site = TestSite::start().await;
    let client = site.client("lee-bk1");
    let own = client.run("ps -o pid=,args= -p $$");
    assert!(own.out.contains("sh -c ps -o"), "{own:?}");
    assert_eq!(client.run("ps -o pid= -p 999999").status, 1);
    site.wait_until(|| client.run("nc -z -w 2 10.20.0.11 1433").status == 0);
    assert_eq!(
        client
            .run("curl -s -o /dev/null -w '%{http_code}' http://10.20.0.12/health")
            .out,
        "200"
    );
    assert_eq!(client.run("nc -z -w 1 10.20.0.11 9").status, 1);
    assert_eq!(client.run("ping -c 1 -W 1 10.20.0.12 >/dev/null").status, 0);
    assert_eq!(
        client.run("ping -c 1 -W 1 203.0.113.77 >/dev/null").status,
        1
    );
    assert_eq!(
        client
            .run("bash -c '</dev/tcp/10.20.0.11/1433' && echo open")
            .out,
        "open\n"
    );
    site.stop().await;
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Whatever is typed, the parser answers: with a tree or with an error.
    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z$(){}\\[\\]|&;<>'\"`\\\\ \n#!=*?0-9]{0,60}") {
        let _ = crate::sim::shell::parses(&text);
    }

    /// Whatever is quoted by the library that quotes for hosts is one command.
    #[test]
    fn quoted_words_are_taken(words in proptest::collection::vec("[^\u{0}]{0,12}", 1..4)) {
        let line = format!("echo {}", shell_words::join(&words));
        proptest::prop_assert!(crate::sim::shell::parses(&line), "{line:?}");
    }

    /// A .vmx keeps every value over writing and reading.
    #[test]
    fn a_vmx_keeps_its_values(values in proptest::collection::vec("[ -~]{0,20}", 1..6)) {
        let mut vmx = crate::sim::vmx::Vmx::default();
        for (index, value) in values.iter().enumerate() {
            vmx.set(&format!("key{index}"), value);
        }
        proptest::prop_assert_eq!(crate::sim::vmx::Vmx::parse(&vmx.text()), Some(vmx));
    }
}
