//! The question whether a VM was moved or copied, and its answer.

use std::sync::Arc;

use super::power;
use super::value::{Fault, Value};
use crate::sim::host::SimHost;
use crate::sim::seed::Draw;

/// What may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Not powered on after all.
    Cancel,
    /// Identity is kept.
    Moved,
    /// A new identity.
    Copied,
}

impl Choice {
    fn key(self) -> &'static str {
        match self {
            Self::Cancel => "button.uuid.cancel",
            Self::Moved => "button.uuid.movedTheVM",
            Self::Copied => "button.uuid.copiedTheVM",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Cancel => "Cancel",
            Self::Moved => "I Moved It",
            Self::Copied => "I Copied It",
        }
    }
}

/// An open question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// `_vmx1` …
    pub(crate) id: String,
    /// In the order of their numbers.
    pub(crate) choices: Vec<Choice>,
}

const TEXT: &str = "msg.uuid.altered:This virtual machine might have been moved or copied.\n\
In order to configure certain management and networking features, VMware ESX needs to know if this virtual machine was moved or copied.\n\n\
If you don't know, answer \"I Co_pied It\".";

impl Question {
    /// A question whose choices stand in an order that the seed decides: their numbers vary between
    /// versions of ESXi.
    pub(crate) fn new(seed: u64, path: &str) -> Self {
        let mut draw = Draw::new(seed, &format!("question {path}"));
        let mut choices = vec![Choice::Cancel, Choice::Moved, Choice::Copied];
        for index in (1..choices.len()).rev() {
            choices.swap(
                index,
                usize::try_from(draw.below(index as u64 + 1)).unwrap_or(0),
            );
        }
        Self {
            id: "_vmx1".to_owned(),
            choices,
        }
    }

    /// As `vmsvc/message` prints it (layout of 6.x to 8.x, from knowledge).
    pub(crate) fn text(&self) -> String {
        let mut text = format!("Virtual machine message {}:\n{TEXT}\n", self.id);
        for (number, choice) in self.choices.iter().enumerate() {
            let default = if *choice == Choice::Copied {
                " [default]"
            } else {
                ""
            };
            text.push_str(&format!(
                "   {number}. {} ({}){default}\n",
                choice.key(),
                choice.label()
            ));
        }
        text
    }

    /// As `get.summary` shows it.
    pub(crate) fn value(&self) -> Value {
        let choices = self.choices.iter().enumerate().map(|(number, choice)| {
            Value::Object(
                "vim.ElementDescription",
                vec![
                    ("label", Value::text(choice.label())),
                    ("summary", Value::text(choice.label())),
                    ("key", Value::text(number.to_string())),
                ],
            )
        });
        let default = self
            .choices
            .iter()
            .position(|choice| *choice == Choice::Copied)
            .unwrap_or(0);
        Value::Object(
            "vim.vm.QuestionInfo",
            vec![
                ("id", Value::text(self.id.clone())),
                ("text", Value::text(TEXT)),
                (
                    "choice",
                    Value::Object(
                        "vim.option.ChoiceOption",
                        vec![
                            ("valueIsReadonly", Value::Unset),
                            (
                                "choiceInfo",
                                Value::List("vim.ElementDescription", choices.collect()),
                            ),
                            ("defaultIndex", Value::bare(default)),
                        ],
                    ),
                ),
                ("message", Value::List("vim.vm.Message", Vec::new())),
            ],
        )
    }
}

/// `vmsvc/message ID [QUESTION CHOICE]`: what it prints.
pub(super) fn message(host: &Arc<SimHost>, args: &[String]) -> Result<String, Fault> {
    let id = args.first().map_or("", String::as_str);
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let (vm, question) = {
        let state = esxi.lock();
        let vm = state.find(id)?.id;
        (
            vm,
            state
                .running
                .get(&vm)
                .and_then(|running| running.question.clone()),
        )
    };
    let Some(question) = question else {
        return Ok("No message.\n".to_owned());
    };
    let (Some(which), Some(number)) = (args.get(1), args.get(2)) else {
        return Ok(question.text());
    };
    if *which != question.id {
        return Err(Fault::new(
            "vmodl.fault.InvalidArgument",
            "A specified parameter was not correct: questionId",
        ));
    }
    let choice = number
        .parse::<usize>()
        .ok()
        .and_then(|number| question.choices.get(number).copied());
    let Some(choice) = choice else {
        return Err(Fault::new(
            "vmodl.fault.InvalidArgument",
            "A specified parameter was not correct: answerChoice",
        ));
    };
    power::answered(host, vm, choice);
    Ok(String::new())
}
