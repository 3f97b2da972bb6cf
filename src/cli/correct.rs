//! A corrected runbook in mid-run: what it changes, whether it may, and why somebody wants it.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::engine::RunState;
use crate::error::Fault;
use crate::names::VariableName;
use crate::plan::{self, Difference, Plan, Version};
use crate::runbook::Loaded;
use crate::runbook::model::{Mode, Runbook};
use crate::runner::Corrected;
use crate::tui::FormField;

use super::answers::Answers;
use super::args::ResumeArgs;
use super::console::{Console, no_terminal};
use super::drill::as_walked;
use super::exit::{Exit, Failure};
use super::forms;
use super::load::load_runbook;
use super::past::{Past, plan_of};
use super::variables::{Sources, gather};

/// What `--reason` and the form's field are called.
const REASON: &str = "reason";

/// Puts the corrected runbook in the place of the one that the run went by, if it may be and is
/// wanted: kept beside it in the run's folder, for the journal to name.
///
/// # Errors
/// Status 2 for a file that is no version of this runbook, 3 where it changes what is behind the
/// run, 4 where nobody says why.
pub(super) async fn correct(
    console: &mut Console,
    past: Past,
    args: &ResumeArgs,
) -> Result<(Past, Option<Corrected>), Failure> {
    let Some(path) = &args.runbook else {
        return Ok((past, None));
    };
    let place = path.display().to_string();
    if let Some(opened) = past.state().chapter() {
        let fault = Fault::new(
            format!(
                "its {} was begun: no step of the runbook is walked any more",
                opened.chapter
            ),
            format!("run {}", past.folder.id),
            "nothing was changed",
            format!(
                "go on with it: lifeboat {} {}",
                opened.chapter, past.folder.id
            ),
        );
        return Err(Failure::of(Exit::Refused, &fault));
    }
    let mut loaded = load_runbook(path)?;
    loaded.runbook = as_walked(loaded.runbook, past.info.mode, &past.folder.id);
    check_is_a_version(&past, &loaded, &place)?;
    let answers = match &console.act.answers {
        Some(path) => super::answers::read(path, &loaded.runbook)?,
        None => Answers::default(),
    };
    let state = past.state();
    let variables = variables(console, &past, &state, &loaded.runbook, &answers, args).await?;
    let plan = plan_of(&loaded.runbook, &past.info, variables.clone())?;
    let difference = difference(&past, &state, &loaded.runbook, &plan);
    if !difference.refused.is_empty() {
        return Err(Failure::of(Exit::Refused, &refusal(&difference, &place)));
    }
    let reason = reason(console, &difference, args, &place).await?;
    let file = format!("runbook.{}.yaml", state.people.corrections.len() + 2);
    past.folder
        .write(&past.folder.version(&file), loaded.text.as_bytes())?;
    let known = state.variables();
    let corrected = Corrected {
        reason,
        sha256: loaded.sha256.clone(),
        file,
        variables: variables
            .into_iter()
            .filter(|(name, value)| known.get(name) != Some(value))
            .collect(),
        judged_at: state.last_seq,
    };
    let past = Past {
        loaded,
        plan,
        ..past
    };
    Ok((past, Some(corrected)))
}

fn check_is_a_version(past: &Past, loaded: &Loaded, place: &str) -> Result<(), Failure> {
    if loaded.runbook.name != past.info.runbook {
        return Err(Failure::invalid(
            format!(
                "this is the runbook {}, and the run walks {}",
                loaded.runbook.name, past.info.runbook
            ),
            place,
            "edit a copy of the runbook in the run's folder; its name stays",
        ));
    }
    if loaded.sha256 == past.loaded.sha256 {
        return Err(Failure::invalid(
            "this file is the runbook that the run goes by already",
            place,
            "correct it first, or resume without --runbook",
        ));
    }
    Ok(())
}

/// Values are frozen; only variables that the run does not know are given one.
async fn variables(
    console: &mut Console,
    past: &Past,
    state: &RunState,
    runbook: &Runbook,
    answers: &Answers,
    args: &ResumeArgs,
) -> Result<BTreeMap<VariableName, String>, Failure> {
    let known = state.variables();
    if let Some((name, _)) = args
        .set
        .iter()
        .find(|(name, _)| known.contains_key(name.as_str()))
    {
        return Err(Failure::invalid(
            format!("the value of {name} is frozen"),
            "--set",
            "values are given to variables that the corrected runbook brings",
        ));
    }
    let sources = Sources {
        set: &args.set,
        answers,
        before: None,
        examples: past.info.mode == Some(Mode::Practice),
    };
    let mut values = gather(runbook, &sources)?;
    values.missing.retain(|name| !known.contains_key(name));
    values.known.extend(known);
    if values.missing.is_empty() || console.act.headless {
        return values.complete();
    }
    let missing = std::mem::take(&mut values.missing);
    let asked = forms::new_variables(console, runbook, &missing).await?;
    values.known.extend(asked);
    Ok(values.known)
}

fn difference(past: &Past, state: &RunState, runbook: &Runbook, plan: &Plan) -> Difference {
    let old = Version {
        plan: &past.plan,
        runbook: &past.loaded.runbook,
    };
    plan::difference(old, Version { plan, runbook }, |step| state.stands(step))
}

fn refusal(difference: &Difference, place: &str) -> Fault {
    let steps: Vec<String> = difference
        .refused
        .iter()
        .map(|change| format!("\n    {}: {}", change.step, change.what.join("; ")))
        .collect();
    Fault::new(
        format!(
            "the corrected runbook changes what is behind the run:{}",
            steps.concat()
        ),
        place,
        "the run is as it was",
        "leave these steps as they are in the run's own runbook; one that failed can be taken back first (undo), or skipped and followed by a new step",
    )
}

/// Shows the difference and asks why.
async fn reason(
    console: &mut Console,
    difference: &Difference,
    args: &ResumeArgs,
    place: &str,
) -> Result<String, Failure> {
    let given = args.reason.as_deref().map_or("", str::trim);
    let lines = difference.lines();
    if !console.act.headless {
        let screen = console.screen()?;
        screen
            .pager("What the corrected runbook changes", &lines.join("\n"))
            .await
            .map_err(|error| no_terminal(&error))?;
        let field = FormField {
            default: given.to_owned(),
            help: "it stands in the journal and in the report".to_owned(),
            ..FormField::new(REASON, "Why is the runbook corrected?")
        };
        let intro = vec![format!(
            "{} steps new, {} gone, {} changed. The run goes on with {place} when you have said why; Esc leaves it as it was.",
            difference.added.len(),
            difference.removed.len(),
            difference.changed.len()
        )];
        let title = "A corrected runbook".to_owned();
        let mut filled = forms::show(console, title, intro, vec![field]).await?;
        return Ok(filled.remove(REASON).unwrap_or_default());
    }
    // Nobody need read them: the journal names the file.
    let mut out = std::io::stdout().lock();
    for line in &lines {
        let _ = writeln!(out, "{line}");
    }
    if given.is_empty() {
        return Err(Failure::of(
            Exit::Resumable,
            &Fault::new(
                "nobody said why the runbook is corrected",
                place,
                "the run is as it was",
                "give --reason TEXT",
            ),
        ));
    }
    Ok(given.to_owned())
}
