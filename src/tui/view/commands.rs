//! The commands of a step, exact. A script that Lifeboat sends with ever other values stands once, in
//! words and whole, below the commands, which name it: `‹rename› FROM TO`.

use ratatui::text::Line;

use crate::engine::{Proposal, ShownCommand};
use crate::hypervisor::shell::{self, Script};
use crate::tui::text;
use crate::tui::theme::Role;

use super::frame::{beside_label, under_label};

/// Every command below its host; a line that goes on ends in a backslash.
pub(super) fn draw(
    lines: &mut Vec<Line<'static>>,
    width: usize,
    proposal: &Proposal,
    settled: bool,
) {
    let room = beside_label(width);
    let mut scripts: Vec<&Script> = Vec::new();
    let mut texts = Vec::new();
    let mut place = None;
    for command in &proposal.commands {
        let here = Some((&command.host, command.write));
        if place != here {
            texts.push((Role::Host, heading(command)));
            place = here;
        }
        let role = if command.write {
            Role::Strong
        } else {
            Role::Plain
        };
        let line = match folded(&command.line) {
            Some((script, values)) => {
                if !scripts.contains(&script) {
                    scripts.push(script);
                }
                format!("{} {values}", name(script))
            }
            None => command.line.clone(),
        };
        texts.extend(
            text::wrap_command(&line, room)
                .into_iter()
                .map(|line| (role, line)),
        );
    }
    under_label(lines, if settled { "sent" } else { "now" }, texts);
    for script in scripts {
        let words = format!("{} {}; it stands for:", name(script), script.does);
        let words = text::wrap(&words, room)
            .into_iter()
            .map(|line| (Role::Host, line));
        let exact = text::wrap_command(&opening(script), room);
        let exact = exact.into_iter().map(|line| (Role::Dim, line));
        under_label(lines, "script", words.chain(exact));
    }
}

/// A command in one line that says what it does; not exact.
pub(super) fn short(line: &str) -> String {
    match folded(line) {
        Some((script, values)) => format!("{} {values}", name(script)),
        None => line.to_owned(),
    }
}

fn heading(command: &ShownCommand) -> String {
    let Some(host) = &command.host else {
        return "on this console:".to_owned();
    };
    let effect = if command.write { "changes" } else { "looks" };
    format!("on {}, {effect}:", text::clean(host.as_str()))
}

fn name(script: &Script) -> String {
    format!("‹{}›", script.name)
}

/// The command up to its values.
fn opening(script: &Script) -> String {
    shell_words::join(["sh", "-c", script.text, "_"])
}

/// The script that a line runs and its values as they stand there.
fn folded(line: &str) -> Option<(&'static Script, &str)> {
    let words = shell_words::split(line).ok()?;
    let [sh, dash_c, text, ..] = words.as_slice() else {
        return None;
    };
    if sh != "sh" || dash_c != "-c" {
        return None;
    }
    let script = shell::script(text)?;
    let values = line.strip_prefix(&opening(script))?.strip_prefix(' ')?;
    Some((script, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::write;

    fn shown(proposal: &Proposal) -> String {
        let mut lines = Vec::new();
        draw(&mut lines, 100, proposal, false);
        lines.iter().map(|line| line.to_string() + "\n").collect()
    }

    #[test]
    fn a_script_stands_once_and_nothing_of_its_commands_is_left_out() {
        let renames = [
            shell::rename("/a b/part", "/a b/disk"),
            shell::rename("/c", "/d"),
        ];
        let lines = renames.map(|command| command.line());
        let proposal = Proposal {
            commands: lines.iter().map(|line| write("lee-esx1", line)).collect(),
            ..Proposal::default()
        };
        let shown = shown(&proposal);
        let flat = |text: &str| {
            let rows = text.lines().map(|row| row.get(8..).unwrap_or_default());
            rows.collect::<Vec<_>>().join("\n")
        };
        let (commands, script) = shown.split_once("script  ").unwrap();
        for (command, line) in flat(commands).lines().skip(1).zip(&lines) {
            let exact = flat(script);
            let exact = exact.split_once('\n').unwrap().1.trim_end();
            assert_eq!(command.replacen("‹rename›", exact, 1), *line);
        }
        assert_eq!(shown.matches("mv ").count(), 1, "{shown}");
        assert_eq!(shown.matches("on lee-esx1").count(), 1, "{shown}");
    }

    #[test]
    fn a_script_of_the_runbook_s_own_stands_where_it_is_sent() {
        let line = "sh -c 'logger \"$1\"' _ done";
        let proposal = Proposal {
            commands: vec![write("lee-bk1", line)],
            ..Proposal::default()
        };
        assert!(shown(&proposal).contains(line));
    }
}
