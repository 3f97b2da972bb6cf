//! The commands of a step, exact. A script that Lifeboat sends with ever other values stands once, in
//! words, below the commands, which name it: `‹rename› FROM TO`; a key shows it whole.

use ratatui::text::Line;

use crate::engine::{Proposal, ShownCommand};
use crate::hypervisor::shell::{self, Script};
use crate::tui::text;
use crate::tui::theme::Role;

use super::frame::{beside_label, under_label};

/// Every command below its host, beside a label that tells whether they were sent; a line that goes on
/// ends in a backslash. `exact`: scripts whole.
pub(super) fn draw(
    lines: &mut Vec<Line<'static>>,
    width: usize,
    proposal: &Proposal,
    label: &str,
    exact: bool,
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
        if let Some((script, _)) = shell::folded(&command.line)
            && !scripts.contains(&script)
        {
            scripts.push(script);
        }
        let line = shell::in_short(&command.line);
        texts.extend(
            text::wrap_command(&line, room)
                .into_iter()
                .map(|line| (role, line)),
        );
    }
    under_label(lines, label, texts);
    for script in scripts {
        let opening = script.opening();
        let rest = if exact {
            "it stands for:".to_owned()
        } else {
            format!("[e] shows its {} lines", opening.lines().count())
        };
        let words = format!("{} {}; {rest}", script.label(), script.does);
        let words = text::wrap(&words, room)
            .into_iter()
            .map(|line| (Role::Host, line));
        let opening = text::wrap_command(&opening, room);
        let opening = opening.into_iter().map(|line| (Role::Dim, line));
        under_label(lines, "script", words.chain(opening.filter(|_| exact)));
    }
}

fn heading(command: &ShownCommand) -> String {
    let Some(host) = &command.host else {
        return "on this console:".to_owned();
    };
    let effect = if command.write { "changes" } else { "looks" };
    format!("on {}, {effect}:", text::clean(host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::write;

    fn shown(proposal: &Proposal, exact: bool) -> String {
        let mut lines = Vec::new();
        draw(&mut lines, 100, proposal, "now", exact);
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
        let short = shown(&proposal, false);
        assert!(
            short.contains("‹rename› '/a b/part' '/a b/disk'"),
            "{short}"
        );
        assert!(
            short.contains("[e] shows its") && !short.contains("mv "),
            "{short}"
        );
        let shown = shown(&proposal, true);
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
        assert!(shown(&proposal, false).contains(line));
    }
}
