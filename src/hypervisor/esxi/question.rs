//! The questions that stop a VM: `vim-cmd vmsvc/message`.
//!
//! A question's number and the order and number of its choices vary between hosts and versions,
//! so a choice is found by its label and sent by the number that this very question gives it. An
//! unknown question is only read; a person decides.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::faults::check;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{shown, unexpected};

static HEAD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*Virtual machine message\s+([^\s:]+)\s*:\s*(.*)$").ok());
static NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|\s)(\d{1,3})\.\s").ok());
static KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(msg\.[A-Za-z0-9_.-]+):\s*").ok());

/// Characters of a question that are kept.
const TEXT: usize = 4000;
/// Choices that are read, at most; four are the most that are known.
const CHOICES: usize = 32;

/// A question on which a VM waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its id for the answer: a plain number on old hosts, `_vmx1` on newer ones.
    pub id: String,
    /// Its message key, e.g. `msg.uuid.altered`, where the host prints it.
    pub key: Option<String>,
    /// What it asks.
    pub text: String,
    /// What may be answered, in the host's order.
    pub choices: Vec<Choice>,
    /// The index in `choices` of the one that the host marks as default.
    pub default: Option<usize>,
}

/// One possible answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its number in this question.
    pub number: u32,
    /// What a person reads, without the accelerator's underscore: `I moved it`.
    pub label: String,
    /// Its message key where the host prints one, e.g. `button.uuid.movedTheVM`.
    pub key: Option<String>,
}

impl Question {
    /// Reads the reply of [`question`](super::commands::question); `None` where nothing is asked.
    ///
    /// # Errors
    ///
    /// A fault of the host, or a text that is neither a question nor its absence.
    pub fn parse(output: &Output) -> Result<Option<Self>, DriverFault> {
        check(output)?;
        let text = output.text();
        let mut lines = text.lines().skip_while(|line| line.trim().is_empty());
        let Some(first) = lines.next() else {
            return Ok(None);
        };
        if first
            .trim()
            .trim_end_matches('.')
            .eq_ignore_ascii_case("no message")
        {
            return Ok(None);
        }
        let head = HEAD.as_ref().and_then(|head| head.captures(first));
        let Some((id, rest)) =
            head.and_then(|head| Some((head.get(1)?.as_str(), head.get(2)?.as_str())))
        else {
            return Err(unexpected("the VM's question", &text));
        };
        let body: Vec<&str> = std::iter::once(rest).chain(lines).collect();
        let (asked, choices, default) = split_choices(&body);
        if choices.is_empty() {
            return Err(unexpected("the choices of the VM's question", &text));
        }
        let asked = asked.trim();
        let key = KEY
            .as_ref()
            .and_then(|key| key.captures(asked))
            .and_then(|found| found.get(1));
        let key = key.map(|key| key.as_str().to_owned());
        let asked = key
            .as_ref()
            .map_or(asked, |key| asked[key.len() + 1..].trim_start());
        let asked = shown(&asked.chars().take(TEXT).collect::<String>());
        Ok(Some(Self {
            id: id.to_owned(),
            key,
            text: asked,
            choices,
            default,
        }))
    }

    /// Whether this is the question after the identity of a VM whose files were moved or copied.
    #[must_use]
    pub fn is_moved_or_copied(&self) -> bool {
        match &self.key {
            Some(key) => key == "msg.uuid.altered",
            None => {
                let text = self.text.to_lowercase();
                text.contains("moved or copied")
                    && self.moved().is_some()
                    && self.copied().is_some()
            }
        }
    }

    /// The choice that keeps uuid.bios and MACs: *moved*, on some hosts *keep*.
    #[must_use]
    pub fn moved(&self) -> Option<&Choice> {
        self.only("button.uuid.movedTheVM", &["i moved it", "keep"])
    }

    /// The choice that makes a new uuid.bios: *copied*, on some hosts *create*.
    #[must_use]
    pub fn copied(&self) -> Option<&Choice> {
        self.only("button.uuid.copiedTheVM", &["i copied it", "create"])
    }

    /// The choice with this label, compared without case and punctuation; `None` also where
    /// several fit.
    #[must_use]
    pub fn choice(&self, label: &str) -> Option<&Choice> {
        self.only("", &[plain(label).as_str()])
    }

    /// The only choice with this key, else the only one with one of these labels.
    fn only(&self, key: &str, labels: &[&str]) -> Option<&Choice> {
        let by_key = |choice: &&Choice| choice.key.as_deref().is_some_and(|own| own == key);
        let by_label = |choice: &&Choice| labels.contains(&plain(&choice.label).as_str());
        for fits in [&by_key as &dyn Fn(&&Choice) -> bool, &by_label] {
            let mut found = self.choices.iter().filter(fits);
            match (found.next(), found.next()) {
                (Some(choice), None) => return Some(choice),
                (Some(_), Some(_)) => return None,
                _ => {}
            }
        }
        None
    }
}

/// A label as it is compared: lower case, words of letters and digits, one blank between.
fn plain(label: &str) -> String {
    let words = label
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Splits the text of a question from its choices: the last lines, each of which begins with a
/// number, or one last line that holds them all.
fn split_choices(body: &[&str]) -> (String, Vec<Choice>, Option<usize>) {
    let filled = body
        .iter()
        .rposition(|line| !line.trim().is_empty())
        .map_or(0, |last| last + 1);
    let body = &body[..filled];
    let start = first_choice(body);
    let mut choices = Vec::new();
    let mut default = None;
    for line in &body[start..] {
        for (number, text) in numbered(line) {
            if choices.len() == CHOICES {
                break;
            }
            let unmarked = text.trim().strip_suffix("[default]");
            if unmarked.is_some() {
                default = Some(choices.len());
            }
            choices.push(choice(number, unmarked.unwrap_or(text).trim()));
        }
    }
    (body[..start].join("\n"), choices, default)
}

/// The index of the line with the first choice: upwards from the end, as long as the numbers that
/// lines begin with go down by one.
fn first_choice(body: &[&str]) -> usize {
    let mut start = body.len();
    let mut below = None;
    for (index, line) in body.iter().enumerate().rev() {
        match (leading_number(line), below) {
            (Some(number), None) => below = Some(number),
            (Some(number), Some(next)) if number + 1 == next => below = Some(number),
            _ => break,
        }
        start = index;
    }
    start
}

fn leading_number(line: &str) -> Option<u32> {
    let (digits, rest) = line.trim_start().split_once('.')?;
    let fits = digits.len() <= 3 && rest.starts_with(' ');
    if fits { digits.parse().ok() } else { None }
}

/// Cuts `0. a 1. b 2. c` at its numbers; only a number that follows the one before counts, so
/// that a label may hold numbers.
fn numbered(line: &str) -> Vec<(u32, &str)> {
    let Some(pattern) = NUMBER.as_ref() else {
        return Vec::new();
    };
    let mut cuts: Vec<(u32, usize, usize)> = Vec::new();
    for found in pattern.captures_iter(line) {
        let (Some(whole), Some(digits)) = (found.get(0), found.get(1)) else {
            continue;
        };
        let Ok(number) = digits.as_str().parse::<u32>() else {
            continue;
        };
        if cuts.last().is_none_or(|(last, ..)| number == last + 1) {
            cuts.push((number, digits.start(), whole.end()));
        }
    }
    let ends = cuts.iter().skip(1).map(|cut| cut.1).chain([line.len()]);
    cuts.iter()
        .zip(ends)
        .map(|(&(number, _, from), to)| (number, line[from..to].trim()))
        .collect()
}

/// `key (label)`, or `label (label)`, or a label alone.
fn choice(number: u32, text: &str) -> Choice {
    let split = text
        .strip_suffix(')')
        .and_then(|text| text.split_once(" ("));
    let (head, label) = split.unwrap_or(("", text));
    let is_key = head.contains('.') && !head.contains(' ');
    Choice {
        number,
        label: shown(label.replace('_', "").trim()),
        key: is_key.then(|| head.to_owned()),
    }
}

#[cfg(test)]
mod tests;
