//! Rules that concern several parts of a runbook.

use super::model::Runbook;
use super::places::NodeId;
use super::reader::Reader;

/// Reports what breaks a rule. Parts that could not be read are missing from the runbook, and
/// nothing is said of them here.
pub(super) fn check(_runbook: &Runbook, _root: NodeId, _reader: &mut Reader<'_>) {}
