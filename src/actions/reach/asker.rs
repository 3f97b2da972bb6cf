//! Who asks, and how: part of every answer.

use crate::actions::ownership::{Heard, Look, Way};
use crate::names::HostName;

/// Who asked, and how.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    by: String,
    way: Way,
    near: bool,
}

impl Asker {
    pub(super) fn host(host: &HostName, tool: impl std::fmt::Display, way: Way) -> Self {
        Self {
            by: format!("{host} ({tool})"),
            way,
            near: true,
        }
    }

    pub(super) fn console(tool: &str, way: Way) -> Self {
        let by = if tool.is_empty() {
            "the console".to_owned()
        } else {
            format!("the console ({tool})")
        };
        Self {
            by,
            way,
            near: false,
        }
    }

    pub(super) fn look(&self, target: &str, heard: Heard, said: impl Into<String>) -> Look {
        Look {
            target: target.to_owned(),
            by: self.by.clone(),
            heard,
            said: said.into(),
            way: self.way,
            near: self.near,
            open: false,
        }
    }
}
