//! The questions on which a VM's start waits: whether it was moved or copied, and what to do about
//! a CD image that is not there; and their answers.

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
    /// It goes on without the drive, and asks again the next time.
    Yes,
    /// It goes on without the drive.
    No,
}

impl Choice {
    fn key(self) -> &'static str {
        match self {
            Self::Cancel => "button.uuid.cancel",
            Self::Moved => "button.uuid.movedTheVM",
            Self::Copied => "button.uuid.copiedTheVM",
            Self::Yes => "button.yes",
            Self::No => "button.no",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Cancel => "Cancel",
            Self::Moved => "I Moved It",
            Self::Copied => "I Copied It",
            Self::Yes => "Yes",
            Self::No => "No",
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
    /// What it asks, behind its message key.
    text: String,
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
            text: TEXT.to_owned(),
        }
    }

    /// The question of a drive whose image is not there (its text from knowledge of hosted products;
    /// that a host stops at such a question is documented).
    pub(crate) fn no_device(device: &str) -> Self {
        Self {
            id: "_vmx2".to_owned(),
            choices: vec![Choice::Yes, Choice::No],
            text: format!(
                "msg.device.noBackend:Cannot connect the virtual device {device} because no corresponding device is available on the host.\n\
                 Do you want to try to connect this virtual device every time you power on the virtual machine?"
            ),
        }
    }

    fn default(&self) -> usize {
        let is_default = |choice: &Choice| matches!(choice, Choice::Copied | Choice::Yes);
        self.choices.iter().position(is_default).unwrap_or(0)
    }

    /// As `vmsvc/message` prints it (layout of 6.x to 8.x, from knowledge).
    pub(crate) fn text(&self) -> String {
        let mut text = format!("Virtual machine message {}:\n{}\n", self.id, self.text);
        for (number, choice) in self.choices.iter().enumerate() {
            let default = if number == self.default() {
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
        Value::Object(
            "vim.vm.QuestionInfo",
            vec![
                ("id", Value::text(self.id.clone())),
                ("text", Value::text(self.text.clone())),
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
                            ("defaultIndex", Value::bare(self.default())),
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
