use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("lifeboat").chain(line.split_whitespace()))
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn flags_stand_where_people_put_them() {
    let cli =
        parse("run r.yaml --only sql01,web01 --set ticket=INC000001 --headless --yes --state /s")
            .unwrap();
    assert_eq!(cli.state, Some(PathBuf::from("/s")));
    let Some(Command::Run {
        runbook,
        planned: false,
        from_drill: None,
        no_check: false,
        start,
    }) = cli.command
    else {
        panic!("not run")
    };
    assert_eq!(runbook, PathBuf::from("r.yaml"));
    assert_eq!(start.only, ["sql01", "web01"]);
    assert_eq!(start.set, [("ticket".to_owned(), "INC000001".to_owned())]);
    assert!(start.act.headless && start.act.yes);
    let planned = parse("run r.yaml --planned").unwrap().command;
    assert!(matches!(planned, Some(Command::Run { planned: true, .. })));
    assert!(parse("--state /s runs").unwrap().state.is_some());
    assert!(parse("").unwrap().command.is_none());
}

#[test]
fn practice_has_sizes_and_speeds() {
    let cli = parse("practice --speed 20 --scale 16MiB --scenario alive").unwrap();
    let Some(Command::Practice(practice)) = cli.command else {
        panic!("not practice")
    };
    assert_eq!(
        (practice.site.scale, practice.scenario),
        (16 << 20, Scenario::Alive)
    );
    assert!(practice.runbook.is_none());
    let Some(Command::Practice(plain)) = parse("practice").unwrap().command else {
        panic!("not practice")
    };
    let at_home = PracticeArgs::of(None);
    assert_eq!(
        format!("{plain:?}"),
        format!("{at_home:?}"),
        "both ways in start the same practice"
    );
    for wrong in [
        "practice --speed fast",
        "practice --speed 0",
        "practice --scale -1",
        "practice --scale 7",
        "practice --scenario flood",
    ] {
        assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
}

#[test]
fn what_cannot_be_meant_is_status_2() {
    for wrong in [
        "no-such-command",
        "run",
        "run r.yaml --yes",
        "validate",
        "check",
        "check r.yaml --watch 3s",
        "check r.yaml --watch soon",
        "run r.yaml --set x",
        "plan r.yaml --mode flood",
        "drill",
    ] {
        assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
    }
    assert_eq!(parse("--help").unwrap_err().exit_code(), 0);
    assert_eq!(parse("--version").unwrap_err().exit_code(), 0);
}

#[test]
fn every_command_says_what_it_does() {
    for command in Cli::command().get_subcommands() {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        let more = command.get_after_help().map(ToString::to_string);
        let mut lines = more.iter().flat_map(|text| text.lines());
        let wide = lines.find(|line| line.chars().count() > 108);
        assert_eq!(wide, None, "nothing breaks it: {}", command.get_name());
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
    }
}
