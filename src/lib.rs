//! Lifeboat: a terminal failover console. It walks an operator through restoring ESXi VMs at a
//! recovery site over SSH, and back.
//!
//! One idea carries the design: **a run is its list of events.** The engine appends events to the
//! journal; the state of the run is a pure fold over them; terminal, headless printer, report, resume
//! and verify read that fold. What the operator sees, what the auditor reads and what a resumed run
//! believes therefore cannot differ.
//!
//! ```text
//!  runbook.yaml ─> runbook ─> plan ─> engine ──Effect──> runner ─> actions ─> hypervisor ─> host ─> ssh2
//!                  (spans,    (steps, (pure)  <──Input──   │       (probe,    (operation    (sessions,
//!                  problems)  a DAG)    │                  │       decide,    to command,   policy,
//!                                       │                  │       act,       output to     intents)
//!                                       │                  │       verify,    value)
//!                                       │                  │       undo)      transfer ───────┘
//!                                       │ RunEvent         │                  (points, sums, extents)
//!                                       v                  v
//!                                    journal ──> RunState = fold(events)
//!                                                  ├──> tui       steps, step card, panes, decisions
//!                                                  ├──> headless  plain lines
//!                                                  ├──> report    Markdown, HTML, JSON, debrief
//!                                                  └──> cli       resume, runs, verify
//! ```
//!
//! A module uses only modules below it; `tests/layers.rs` checks that. From the top:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`cli`] | one small file per subcommand |
//! | [`sim`] | the simulated site: SSH servers, shell, host models, datastores on disk |
//! | [`tui`] | the screens; the only one that knows a terminal |
//! | [`headless`] | the same events and answers as plain lines |
//! | [`report`] | pure: a run's events to one document, and that to Markdown, HTML and JSON |
//! | [`runner`] | carries effects out: journal, actions, timers, output spool |
//! | [`telemetry`] | the host panes' figures: read-only polls |
//! | [`readiness`] | whether a runbook could be walked now: what hosts and backups tell, judged |
//! | [`actions`] | one file per verb of a runbook |
//! | [`transfer`] | restore points, sums, sparse extents, resume; brings files with the drivers' operations |
//! | [`hypervisor`] | typed operations to commands, output to values |
//! | [`host`] | sessions, policy, host keys, logins, sanitising, redaction; the only one that knows ssh2 |
//! | [`journal`] | hash-chained lines on disk, and the store of runs |
//! | [`engine`] | pure: state, inputs, effects, events, the fold |
//! | [`plan`] | pure: a runbook to ordered steps |
//! | [`vmfiles`] | pure: .vmx with every untouched byte kept, .vmdk, .vmsd |
//! | [`runbook`] | pure: text to a typed runbook, every problem with its place |
//! | [`clock`], [`digest`], [`settings`], [`logging`], [`error`], [`names`] | the ground |

pub mod actions;
pub mod cli;
pub mod clock;
pub mod digest;
pub mod engine;
pub mod error;
pub mod headless;
pub mod host;
pub mod hypervisor;
pub mod journal;
pub mod logging;
pub mod names;
pub mod plan;
pub mod readiness;
pub mod report;
pub mod runbook;
pub mod runner;
pub mod settings;
pub mod sim;
pub mod telemetry;
pub mod transfer;
pub mod tui;
pub mod vmfiles;
