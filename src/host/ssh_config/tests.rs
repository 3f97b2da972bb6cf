//! The reader against files, and against OpenSSH's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A home with `.ssh` and files in it.
fn home(files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(".ssh").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    home
}

fn config(home: &TempDir) -> SshConfig {
    let own = home.path().join(".ssh");
    SshConfig::of(&[(own.join("config"), own)], home.path(), "alice")
}

fn ask<'a>(host: &'a str) -> Query<'a> {
    Query {
        host,
        user: None,
        default_user: "root",
        port: None,
    }
}

fn found(text: &str, host: &str) -> Found {
    config(&home(&[("config", text)])).look_up(&ask(host))
}

#[test]
fn the_first_value_counts_and_says_where_it_stands() {
    let found = found(
        "# comment\nUser early\n\nHost lee-* !lee-bk?\n  HostName=%h.example.net # tail\n  port \"2222\"\n  User late\nHost *\n  Port 23\n",
        "lee-esx1",
    );
    let name = found.host_name.unwrap();
    assert_eq!(name.value, "lee-esx1.example.net");
    assert_eq!(name.at, "~/.ssh/config:5");
    assert_eq!(found.port.unwrap().value, 2222);
    assert_eq!(found.user.unwrap().value, "early");
    assert_eq!(found.notes, [""; 0]);
}

#[test]
fn a_negated_pattern_takes_a_host_out() {
    let text = "Host lee-* !lee-bk?\n  Port 2222\n";
    assert_eq!(found(text, "lee-bk1").port, None);
    assert!(found(text, "lee-bk12").port.is_some());
    assert_eq!(found("Host !lee-bk1\n  Port 2222\n", "lee-esx1").port, None);
}

#[test]
fn included_files_count_where_they_stand() {
    let home = home(&[
        (
            "config",
            "Host lee-*\n  Include conf.d/*.conf\n  User after\nHost *\n  Port 5\n",
        ),
        ("conf.d/1.conf", "User one\nHost other\n  Port 1\n"),
        ("conf.d/2.conf", "User two\nHost lee-esx1\n  Port 2\n"),
        ("conf.d/.hidden.conf", "HostName hidden\n"),
    ]);
    let config = config(&home);
    let lee = config.look_up(&ask("lee-esx1"));
    assert_eq!(lee.user.as_ref().unwrap().value, "one");
    assert_eq!(lee.user.unwrap().at, "~/.ssh/conf.d/1.conf:1");
    assert_eq!(lee.port.unwrap().value, 2);
    assert_eq!(lee.host_name, None);
    let other = config.look_up(&ask("other"));
    assert_eq!(
        other.port.unwrap().value,
        5,
        "it is included for lee-* alone"
    );
    assert_eq!(other.user, None);
}

#[test]
fn a_match_block_is_judged_by_what_is_known_so_far() {
    let text = "Host alias\n  HostName real.example.net\nMatch host *.example.net user root\n  Port 7\n\
                Match originalhost other !localuser alice\n  User no\nMatch localuser alice,bob\n  User yes\n";
    let found = found(text, "alias");
    assert_eq!(found.port.unwrap().value, 7);
    assert_eq!(found.user.unwrap().value, "yes");
}

#[test]
fn what_is_not_honoured_is_said_where_it_concerns_the_host() {
    let text = "Host lee-esx1\n  ProxyCommand nc %h %p\n  CertificateFile ~/.ssh/c\n  StrictHostKeyChecking no\n  ForwardAgent yes\n\
                Match originalhost lee-esx1 exec \"touch /tmp/never\"\n  User nobody\nHost other\n  BindAddress 192.0.2.1\n";
    let found = found(text, "lee-esx1");
    assert_eq!(found.proxy.unwrap().value, Proxy::Command);
    assert_eq!(found.user, None);
    assert_eq!(
        found.notes,
        [
            "~/.ssh/config:3: CertificateFile is not honoured",
            "~/.ssh/config:4: StrictHostKeyChecking is not honoured: host keys are always checked",
            "~/.ssh/config:6: Match exec is not evaluated, its block is left out",
        ]
    );
}

#[test]
fn keys_agents_and_known_hosts_have_their_tokens_replaced() {
    let home = home(&[(
        "config",
        "Host a\n  HostName b\n  User u\n  Port 9\n  IdentityFile ~/.ssh/%h-%r-%p-%n%%\n  IdentityFile %d/second\n  IdentityFile /x/%j\n\
         \x20 IdentitiesOnly yes\n  IdentityAgent ~/agent\n  UserKnownHostsFile ~/k1 \"/k 2\"\n  GlobalKnownHostsFile none\n\
         \x20 ConnectTimeout 1m\n  HostKeyAlias c\n  ProxyJump none\n  ProxyCommand later\n",
    )]);
    let found = config(&home).look_up(&ask("a"));
    let at = |name: &str| home.path().join(name);
    let files: Vec<_> = found
        .identity_files
        .into_iter()
        .map(|file| file.value)
        .collect();
    assert_eq!(files, [at(".ssh/b-u-9-a%"), at("second")]);
    assert!(
        found.notes[0].contains("`/x/%j` has a token"),
        "{:?}",
        found.notes
    );
    assert!(found.identities_only.unwrap().value);
    assert_eq!(found.identity_agent.unwrap().value, Some(at("agent")));
    assert_eq!(
        found.user_known_hosts.unwrap().value,
        [at("k1"), "/k 2".into()]
    );
    assert!(found.global_known_hosts.unwrap().value.is_empty());
    assert_eq!(
        found.connect_timeout.unwrap().value,
        Duration::from_secs(60)
    );
    assert_eq!(found.host_key_alias.unwrap().value, "c");
    assert_eq!(
        found.proxy.unwrap().value,
        Proxy::Command,
        "as OpenSSH has it"
    );
}

#[test]
fn what_cannot_be_read_is_said_and_ends() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home(&[
        (
            "config",
            "Include config\nHost *\n  Port seven\n  User\n  User \"open\n  Include shared\n  ConnectTimeout soon\n",
        ),
        ("shared", "User evil\n"),
    ]);
    let shared = home.path().join(".ssh/shared");
    std::fs::set_permissions(shared, std::fs::Permissions::from_mode(0o666)).unwrap();
    let found = config(&home).look_up(&ask("a"));
    assert_eq!(found.user, None);
    for words in [
        "too many files are included",
        ":3: Port is not a number",
        ":4: user has no value",
        ":5: not read, a quote is not closed",
        "~/.ssh/shared: not read, others may write to it",
        ":7: ConnectTimeout is not a time",
    ] {
        assert!(
            found.notes.iter().any(|note| note.contains(words)),
            "{words}: {:?}",
            found.notes
        );
    }
    assert_eq!(
        config(&tempfile::tempdir().unwrap()).look_up(&ask("a")),
        Found::default()
    );
}

/// What `ssh -G` makes of a file for a host; `None` where there is no `ssh`.
fn openssh(file: &Path, host: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let asked = Command::new("ssh")
        .arg("-G")
        .arg("-F")
        .arg(file)
        .arg(host)
        .output();
    let Ok(output) = asked else {
        eprintln!("SKIPPED: ssh is not installed (apt install openssh-client)");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut values = BTreeMap::<_, Vec<_>>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some((keyword, value)) = line.split_once(' ') {
            values
                .entry(keyword.to_owned())
                .or_default()
                .push(value.to_owned());
        }
    }
    Some(values)
}

/// A line of a configuration, of the kinds that decide something.
fn line() -> impl Strategy<Value = String> {
    let name = "(a|b|a\\.c|b\\.c)";
    let pattern = "(!?(\\*|a|b|\\*\\.c|\\?|a\\.\\*|\\?\\?c))";
    prop_oneof![
        3 => prop::collection::vec(pattern, 1..4).prop_map(|list| format!("Host {}", list.join(" "))),
        2 => ("(host|originalhost|user)", "(!?)", prop::collection::vec(pattern, 1..3), "(| all)")
            .prop_map(|(what, not, list, all)| {
                // `all` stands alone or not at all.
                let _ = all;
                format!("Match {not}{what} {}", list.join(","))
            }),
        1 => Just("Match all".to_owned()),
        2 => name.prop_map(|name| format!("HostName {name}")),
        1 => Just("hostname=%h.c".to_owned()),
        2 => "(a|b|x)".prop_map(|user| format!("\tUser   \"{user}\"")),
        2 => (1..9u16).prop_map(|port| format!("Port = {port} # port")),
        2 => "/(k1|k2|k3)".prop_map(|key| format!("IdentityFile {key}")),
        1 => "(yes|no)".prop_map(|word| format!("IdentitiesOnly {word}")),
        1 => "(j1|u@j2:7|j1,j2|none)".prop_map(|jump| format!("ProxyJump {jump}")),
        1 => "(nc|none)".prop_map(|command| format!("ProxyCommand {command}")),
        1 => "/(h1|h2|h1 /h2)".prop_map(|files| format!("UserKnownHostsFile {files}")),
        1 => "(m|n)".prop_map(|alias| format!("HostKeyAlias {alias}")),
        1 => "(1|2|3m)".prop_map(|time| format!("ConnectTimeout {time}")),
        1 => Just("Include INCLUDED".to_owned()),
    ]
}

fn text(lines: &[String], included: &Path) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let line = line.replace("INCLUDED", &included.display().to_string());
        writeln!(text, "{line}").unwrap();
        text
    })
}

#[test]
fn no_jump_says_nothing_of_a_command_after_it() {
    for (text, expected) in [
        ("ProxyJump none\nProxyCommand nc\n", Some(Proxy::Command)),
        ("ProxyJump none\nProxyJump x\n", Some(Proxy::None)),
        ("ProxyCommand none\nProxyJump x\n", Some(Proxy::None)),
        (
            "ProxyJump none\nProxyCommand none\nProxyJump x\n",
            Some(Proxy::None),
        ),
    ] {
        let proxy = found(text, "a").proxy.map(|proxy| proxy.value);
        assert_eq!(proxy, expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn it_reads_what_openssh_reads(
        lines in prop::collection::vec(line(), 0..14),
        included in prop::collection::vec(line().prop_filter("no circle", |line| !line.contains("INCLUDED")), 0..6),
        host in "(a|b|a\\.c|q)",
    ) {
        let dir = home(&[]);
        let (file, other) = (dir.path().join("file"), dir.path().join("other"));
        std::fs::write(&other, text(&included, &other)).unwrap();
        std::fs::write(&file, text(&lines, &other)).unwrap();
        let Some(theirs) = openssh(&file, &host) else { return Ok(()) };
        let who = crate::settings::account();
        let config = SshConfig::of(&[(file.clone(), dir.path().to_owned())], dir.path(), &who);
        let ours = config.look_up(&Query { host: &host, user: None, default_user: &who, port: None });
        let shown = std::fs::read_to_string(&file).unwrap();
        let one = |keyword: &str| theirs.get(keyword).map(|values| values[0].clone());
        let name = ours.host_name.map_or(host.clone(), |name| name.value);
        prop_assert_eq!(one("hostname"), Some(name), "{}", shown);
        prop_assert_eq!(one("port"), Some(ours.port.map_or(22, |port| port.value).to_string()), "{}", shown);
        prop_assert_eq!(one("user"), Some(ours.user.map_or(who.clone(), |user| user.value)), "{}", shown);
        let keys: Vec<String> = ours.identity_files.iter().map(|key| key.value.display().to_string()).collect();
        let mut unique = Vec::new();
        keys.into_iter().for_each(|key| if !unique.contains(&key) { unique.push(key) });
        if !unique.is_empty() {
            prop_assert_eq!(theirs.get("identityfile"), Some(&unique), "{}", shown);
        }
        let only = ours.identities_only.is_some_and(|only| only.value);
        prop_assert_eq!(one("identitiesonly"), Some(if only { "yes" } else { "no" }.to_owned()), "{}", shown);
        let (jump, command) = match ours.proxy.map(|proxy| proxy.value) {
            Some(Proxy::Jump(hops)) => (Some(hops.join(",")), false),
            Some(Proxy::Command) => (None, true),
            Some(Proxy::None) | None => (None, false),
        };
        prop_assert_eq!(one("proxyjump"), jump, "{}", shown);
        let their_command = one("proxycommand").filter(|command| command != "none");
        prop_assert_eq!(their_command.is_some(), command, "{}", shown);
        if let Some(files) = ours.user_known_hosts {
            let files: Vec<String> = files.value.iter().map(|file| file.display().to_string()).collect();
            prop_assert_eq!(one("userknownhostsfile"), Some(files.join(" ")), "{}", shown);
        }
        prop_assert_eq!(one("hostkeyalias"), ours.host_key_alias.map(|alias| alias.value), "{}", shown);
        let time = ours.connect_timeout.map_or("none".to_owned(), |time| time.value.as_secs().to_string());
        prop_assert_eq!(one("connecttimeout"), Some(time), "{}", shown);
    }

    #[test]
    fn any_text_is_read_without_harm(text in "(?s).{0,400}", host in ".{1,20}") {
        let _ = found(&text, &host);
    }
}
