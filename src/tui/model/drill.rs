//! What a drill has that other runs have not: a limit, and a key that ends it early.

use crate::engine::DrillTerms;
use crate::runbook::model::Mode;
use crate::tui::keys::{Action, Binding, RUN};

use super::Run;

impl Run {
    /// The keys of this run.
    pub(in crate::tui) fn bindings(&self) -> impl Iterator<Item = &'static Binding<Action>> {
        let drill = self.plan.mode == Mode::Drill && self.state.chapters.is_empty();
        RUN.iter()
            .filter(move |binding| drill || binding.action != Action::Abort)
    }

    /// What a drill's people agreed on.
    pub(in crate::tui) fn terms(&self) -> Option<&DrillTerms> {
        self.state.info.as_ref()?.drill.as_ref()
    }

    /// Why this run cannot be aborted.
    pub(super) fn why_not_aborted(&self) -> Option<String> {
        if self.plan.mode != Mode::Drill {
            return Some("only a drill can be aborted: q leaves this run".to_owned());
        }
        if !self.state.chapters.is_empty() {
            return Some("the drill is over: q leaves its cleanup".to_owned());
        }
        self.is_over().then(|| "the drill is over".to_owned())
    }
}
