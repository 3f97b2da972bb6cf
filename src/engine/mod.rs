//! The engine: what happened goes in, what to do comes out. Pure.
//!
//! `Engine::handle` takes one [`Input`] and returns [`Effect`]s that the runner carries out strictly
//! in order; a [`Effect::Record`] that cannot be made durable stops the list. Time is data, timers
//! carry ids, and a stale input (of another attempt, of a timer that no longer counts) is ignored.

mod asked;
mod closing;
mod consent;
mod copies;
mod effect;
mod event;
mod fact;
mod finding;
mod handle;
mod input;
mod leaving;
mod ledger;
mod lookout;
mod loss;
mod orders;
mod owners;
mod people;
mod proposal;
mod protection;
mod stage;
mod state;
mod step;
mod taken_home;
mod texts;
#[cfg(test)]
mod told;
mod way_out;
mod window;

pub use asked::{Judged, NO, Prompt, YES, judge};
pub use closing::{
    Closing, Opening, closing_plan, going_live, is_closing_id, kept_disks, left_over,
    may_need_disks, opening, takes_back,
};
pub use consent::{
    Gap, can_decline, confirmation_gaps, is_wrong_response, objection, risk, typed_word,
    waits_for_person,
};
pub use copies::{RestingFile, copy_counts};
pub use effect::{Effect, TimerId};
pub use event::{
    Chapter, Despite, DrillTerms, Entry, FromDrill, KeptFolder, Pace, Parent, RunEvent, RunInfo,
    RunResult, StopOutcome, seconds,
};
pub use fact::{AutostartEntry, Fact};
pub use finding::{Finding, FindingsStatement};
pub use handle::{Engine, Settings};
pub use input::{Input, OperatorInput, PeopleInput, Performed, RetryScope};
pub use ledger::{Item, Ledger, Thing, folder_of, given_names};
pub use lookout::{Listed, Lookout, Presence, Sighting, Sign, Unheard};
pub use orders::{can_retry, can_settle, can_undo, is_walked, needs_person, retried, under_way};
pub use owners::Split;
pub use people::{
    Correction, InForce, Offer, People, TAKE_OVER, Visit, is_same_person, takes_over,
};
pub use proposal::{
    Answer, AttestRequest, Choice, ChoiceOption, Confirmation, Consent, ProbeAnswer, Proposal,
    Question, ShownCommand, Verdict,
};
pub use protection::Unprotected;
pub use stage::{Move, Stage, Way};
pub use state::{FoundFact, Note, Op, OpStatus, OpenedChapter, RunState};
pub use step::{Earlier, Status, StepState};
pub use taken_home::{TakenBy, TakenHome};
pub use texts::Clean;
pub use way_out::WayOut;
pub use window::CommitWindow;

/// The name under which rules of the engine itself act in the journal.
pub const BY_RULE: &str = "lifeboat";
