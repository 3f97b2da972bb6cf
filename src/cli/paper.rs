//! `lifeboat plan`: every step and every command as Markdown that prints as a paper runbook.

use std::fmt::Write as _;
use std::io;

use super::args::{PlanArgs, PlanMode};
use super::exit::{Exit, Failure};
use super::{answers, drill, load, past, start, variables};
use crate::actions;
use crate::engine::{ProbeAnswer, Prompt, Proposal, ShownCommand, Verdict, typed_word};
use crate::names::{RunId, VmName};
use crate::plan::{Plan, PlanInputs, Step};
use crate::report;
use crate::runbook::model::{Mode, Runbook, Section, SiteRole};

/// Prints the plan of a runbook, its variables stood in for where nobody gave them.
///
/// # Errors
/// The runbook cannot be read, or not be planned that way.
pub(super) fn print(args: &PlanArgs, out: &mut dyn io::Write) -> Result<Exit, Failure> {
    let loaded = load::load_runbook(&args.runbook)?;
    let runbook = &loaded.runbook;
    let answers = answers::Answers::default();
    let sources = variables::Sources {
        set: &args.set,
        answers: &answers,
        before: None,
        examples: false,
    };
    let variables = variables::gather(runbook, &sources)?.with_stand_ins();
    let only = args.only.iter().map(|vm| VmName::from(vm.trim())).collect();
    let inputs = PlanInputs { variables, only };
    let sections: &[Section] = match args.mode {
        PlanMode::Failover | PlanMode::Planned | PlanMode::Drill => &[Section::Failover],
        PlanMode::Failback => &[Section::Failback],
        PlanMode::Practice => &[Section::Failover, Section::Failback],
    };
    let plan = past::make_plan(runbook, sections, args.mode.mode(), &inputs)?;
    if args.mode == PlanMode::Planned {
        start::check_planned(runbook, &plan)?;
    }
    // A drill's places bear the id of its run, which nobody knows yet.
    let run = RunId::from("\u{2039}run\u{203a}");
    let walked = drill::as_walked(runbook.clone(), Some(args.mode.mode()), &run);
    let _ = out.write_all(paper(&walked, &plan).as_bytes());
    Ok(Exit::Clean)
}

/// The plan for people with pens. What cannot be known without asking a host stands as
/// `‹vmid of sql01›`.
#[must_use]
pub fn paper(runbook: &Runbook, plan: &Plan) -> String {
    let mut out = String::new();
    head(&mut out, runbook, plan);
    let mut heading = String::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let section = step.id.section();
        let phase = format!("## {section}: {}", step.phase);
        if phase != heading {
            let _ = writeln!(out, "\n{phase}");
            heading = phase;
        }
        let answer = actions::outline(runbook, step);
        write_step(&mut out, plan, index, step, &answer);
    }
    out
}

fn head(out: &mut String, runbook: &Runbook, plan: &Plan) {
    let title_of = |role| {
        let site = runbook.site_with(role);
        runbook
            .sites
            .get(&site)
            .map_or_else(|| site.to_string(), |site| site.title.clone())
    };
    let (protected, recovery) = (title_of(SiteRole::Protected), title_of(SiteRole::Recovery));
    let (from, to) = match plan.section {
        Section::Failover => (protected, recovery),
        Section::Failback => (recovery, protected),
    };
    let _ = writeln!(
        out,
        "# {}: {}, {from} \u{2192} {to}\n",
        plan.mode.as_str().to_uppercase(),
        runbook.title
    );
    if !runbook.description.is_empty() {
        let _ = writeln!(out, "{}\n", runbook.description.trim());
    }
    let _ = writeln!(
        out,
        "Operator ____________________  Second person ____________________  Service lost at ____________________\n"
    );
    let objective = |length: Option<std::time::Duration>| {
        length
            .and_then(|length| jiff::SignedDuration::try_from(length).ok())
            .map_or_else(|| "none".to_owned(), report::duration)
    };
    let _ = writeln!(
        out,
        "{} steps, {} VMs. Objectives: RTO {}, RPO {}. Runbook {}.",
        plan.steps.len(),
        plan.vms.len(),
        objective(runbook.objectives.rto),
        objective(runbook.objectives.rpo),
        runbook.name
    );
    if let Some(within) = runbook.commit.within
        && !matches!(plan.mode, Mode::Practice | Mode::Drill)
    {
        let _ = writeln!(
            out,
            "To be committed or rolled back within {} of the last step: by ____________________",
            objective(Some(within))
        );
    }
    for contact in &runbook.contacts {
        let _ = writeln!(
            out,
            "- {}: {} ({})",
            contact.name, contact.phone, contact.role
        );
    }
    for (vm, needed) in &plan.left_out {
        let _ = writeln!(
            out,
            "- **{vm} needs {needed}, which is left out by choice.**"
        );
    }
}

fn write_step(out: &mut String, plan: &Plan, index: usize, step: &Step, answer: &ProbeAnswer) {
    let number = index + 1;
    let _ = writeln!(
        out,
        "\n- [ ] **{number}. {}** `{}`, {}",
        step.title,
        step.id,
        step.risk.as_str()
    );
    let mut line = |label: &str, text: &str| {
        let text = text.replace('\n', " ");
        let _ = writeln!(out, "  {label}: {text}  ");
    };
    if let Some(why) = &step.why {
        line("Why", why);
    }
    if let Some(text) = &step.text {
        line("Note", text);
    }
    if let Some(after) = not_the_one_before(plan, index, step) {
        line("After", &after);
    }
    match &answer.verdict {
        Verdict::Needed(proposal) => write_proposal(out, step, proposal),
        Verdict::AlreadyDone { evidence } => line("Nothing to do", &evidence.join("; ")),
        Verdict::Blocked { fault, .. } => line("Blocked", &fault.what),
    }
    let _ = writeln!(
        out,
        "  Began ________  Ended ________  By ____________________"
    );
}

fn write_proposal(out: &mut String, step: &Step, proposal: &Proposal) {
    for change in proposal
        .changes
        .iter()
        .filter(|change| **change != step.title)
    {
        let _ = writeln!(out, "  - {change}");
    }
    for (key, prompt) in &proposal.ask {
        let _ = writeln!(out, "  - {key}: {}", asked(prompt));
    }
    if let Some(word) = typed_word(step, proposal) {
        let _ = writeln!(out, "  - the console wants `{word}` typed");
    }
    if step.people > 1 {
        let _ = writeln!(out, "  - a second person confirms ____________________");
    }
    if let Some(challenge) = &step.challenge {
        let say = &challenge.say;
        let _ = writeln!(
            out,
            "  - the first reads: {say} The second answers ____________________"
        );
    }
    if !proposal.commands.is_empty() {
        let _ = writeln!(out, "\n  ```sh");
        for command in &proposal.commands {
            // Every line stays within the list's item.
            let _ = writeln!(out, "  {}", shown(command).replace('\n', "\n  "));
        }
        let _ = writeln!(out, "  ```\n");
    }
    for (label, text) in [
        ("Then", Some(&proposal.then)),
        ("Undo", proposal.undo.as_ref()),
    ] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let _ = writeln!(out, "  {label}: {text}  ");
        }
    }
}

fn asked(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Choose { options, at_least } => {
            let boxes: Vec<String> = options
                .iter()
                .map(|option| format!("[ ] {option}"))
                .collect();
            format!("at least {at_least} of {}", boxes.join("  "))
        }
        Prompt::Acknowledge { statement: asked } | Prompt::Check { prompt: asked, .. } => {
            format!("{asked}  [ ] yes  [ ] no")
        }
        Prompt::Value { prompt, .. } | Prompt::Evidence { prompt } => {
            format!("{prompt} ____________________")
        }
        Prompt::Compare { prompt, by, .. } => {
            format!("{prompt} ____________________ (compared with {by})")
        }
    }
}

fn shown(command: &ShownCommand) -> String {
    let sign = if command.write { '#' } else { '$' };
    match &command.host {
        Some(host) => format!("{host}{sign} {}", command.line),
        None => format!("console{sign} {}", command.line),
    }
}

/// What a step waits for, where that is not simply the step printed before it.
fn not_the_one_before(plan: &Plan, index: usize, step: &Step) -> Option<String> {
    let others: Vec<&str> = step
        .after
        .iter()
        .filter(|before| **before + 1 != index)
        .filter_map(|before| plan.steps.get(*before))
        .filter(|before| before.phase == step.phase && before.subject != step.subject)
        .map(|before| before.title.as_str())
        .collect();
    (!others.is_empty()).then(|| others.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::load::{load_bundled, load_runbook};
    use crate::plan::{self, PlanInputs};
    use crate::runbook::model::Mode;

    /// The runbook that comes with the program, with another text in it.
    fn bundled_with(old: &str, new: &str) -> Runbook {
        let text = include_str!("../../runbooks/v2v-image-restore.yaml").replace(old, new);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.yaml");
        std::fs::write(&file, text).unwrap();
        load_runbook(&file).unwrap().runbook
    }

    fn inputs(ticket: &str) -> PlanInputs {
        PlanInputs {
            variables: BTreeMap::from([("ticket".into(), ticket.to_owned())]),
            only: Vec::new(),
        }
    }

    #[test]
    fn a_vmx_is_called_as_the_runbook_calls_it_and_is_a_hole_where_it_does_not() {
        let runbook = bundled_with("vmx: sql01/sql01.vmx", "vmx: sql01/orders.vmx");
        let made = |section, mode| {
            let plan = plan::make(&runbook, section, mode, &inputs("INC000001")).unwrap();
            paper(&runbook, &plan)
        };
        let failover = made(Section::Failover, Mode::Failover);
        assert!(failover.contains("/sql01/\u{2039}.vmx of sql01\u{203a}.lifeboat-"));
        let failback = made(Section::Failback, Mode::Failback);
        assert!(failback.contains("/sql01/orders.vmx.lifeboat-"));
        for text in [failover, failback] {
            assert!(!text.contains("sql01.vmx"), "{text}");
        }
    }

    #[test]
    fn a_path_with_blanks_is_quoted_wherever_it_is_sent() {
        let runbook = bundled_with("datastore: local1", "datastore: local store");
        let inputs = inputs("INC000001");
        let ways = [
            (Section::Failover, Mode::Failover),
            (Section::Failover, Mode::Planned),
            (Section::Failback, Mode::Failback),
        ];
        for (section, mode) in ways {
            let plan = plan::make(&runbook, section, mode, &inputs).unwrap();
            for step in &plan.steps {
                let answer = actions::outline(&runbook, step);
                let Verdict::Needed(proposal) = &answer.verdict else {
                    continue;
                };
                for line in proposal.commands.iter().map(|command| &command.line) {
                    // What is written is a session of its own, told in words.
                    if !line.starts_with("write ") {
                        let words = shell_words::split(line).unwrap();
                        let torn = words.iter().find(|word| word.ends_with("/local"));
                        assert_eq!(torn, None, "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_step_has_a_box_and_every_command_stays_in_its_item() {
        let runbook = load_bundled().unwrap().runbook;
        let inputs = inputs("\u{2039}ticket\u{203a}");
        let plan = plan::make(&runbook, Section::Failover, Mode::Failover, &inputs).unwrap();
        let text = paper(&runbook, &plan);
        assert_eq!(text.matches("- [ ] **").count(), plan.steps.len());
        assert_eq!(text.matches("```").count() % 2, 0);
        for step in &plan.steps {
            assert!(text.contains(&format!("`{}`", step.id)), "{}", step.id);
        }
        assert!(
            text.contains("# FAILOVER: Orders, restored from image backups, London \u{2192} Leeds")
        );
        assert!(text.contains("lee-esx1# vim-cmd solo/registervm"), "{text}");
        assert!(text.contains("complete, \u{2039}ticket\u{203a}"), "{text}");
        let mut in_code = false;
        for line in text.lines() {
            assert!(
                !in_code || line.starts_with("  "),
                "{line:?} fell out of its item"
            );
            in_code ^= line.trim_start().starts_with("```");
        }
    }
}
