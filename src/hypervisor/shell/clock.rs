//! What a host's clock says.

use jiff::Timestamp;

use crate::host::{HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{succeeded, unexpected};

/// Asks for the time in UTC.
#[must_use]
pub fn utc() -> HostCommand {
    HostCommand::read(["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"]).max_output(super::SHORT)
}

/// Reads a time in UTC.
///
/// # Errors
/// The host has no such command, or its reply is no time.
pub fn parse_utc(output: &Output) -> Result<Timestamp, DriverFault> {
    succeeded(output, "date")?;
    let text = output.text();
    text.trim()
        .parse()
        .map_err(|_| unexpected("the host's time", &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_its_time() {
        let command = utc();
        let ran = std::process::Command::new(&command.words()[0])
            .args(&command.words()[1..])
            .output()
            .unwrap();
        let output = Output {
            stdout: ran.stdout,
            ..Output::default()
        };
        let away = parse_utc(&output).unwrap().duration_since(Timestamp::now());
        assert!(away.abs().as_secs() < 60, "{away:?}");
        for text in ["", "Sat Jan 3\n"] {
            let output = Output {
                stdout: text.into(),
                ..Output::default()
            };
            assert!(parse_utc(&output).is_err(), "{text}");
        }
    }
}
