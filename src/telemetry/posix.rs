//! A posix host's figures, from one constant script.

use std::time::{Duration, Instant};

use crate::host::{Effect, Host, HostCommand, HostError, Lane};

use super::HostFigures;

/// Prints `uname`, uptime, load, memory and the space of the folder `$1`; what a system lacks is
/// left out.
const SCRIPT: &str = "echo \"os $(uname -sr)\"
echo \"cpus $(grep -c '^processor' /proc/cpuinfo 2>/dev/null)\"
echo \"uptime $(cat /proc/uptime 2>/dev/null)\"
echo \"load $(cat /proc/loadavg 2>/dev/null)\"
grep -E '^(MemTotal|MemAvailable):' /proc/meminfo 2>/dev/null
df -Pk \"$1\" 2>/dev/null | tail -n 1 | sed 's/^/df /'
true";

/// Fills the figures in.
///
/// # Errors
/// If the host does not answer.
pub(super) async fn poll(
    host: &Host,
    folder: &str,
    figures: &mut HostFigures,
) -> Result<Option<String>, HostError> {
    let command =
        HostCommand::script(Effect::Read, SCRIPT, [folder]).deadline(Duration::from_secs(30));
    let started = Instant::now();
    let output = host.read(Lane::Telemetry, &command).await?;
    figures.round_trip = Some(started.elapsed());
    take(figures, &output.text(), folder);
    Ok(None)
}

fn take(figures: &mut HostFigures, text: &str, folder: &str) {
    let mut cpus = 1.0;
    let mut memory = (None, None);
    for line in text.lines() {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let first = rest.split_whitespace().next();
        match key {
            "os" => figures.product = rest.trim().to_owned(),
            "cpus" => {
                cpus = first
                    .and_then(|count| count.parse().ok())
                    .unwrap_or(1.0_f64)
                    .max(1.0)
            }
            "uptime" => {
                let seconds = first.and_then(|seconds| seconds.parse::<f64>().ok());
                figures.uptime =
                    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            }
            "load" => {
                let load = first.and_then(|load| load.parse::<f64>().ok());
                figures.cpu_percent = load.map(|load| percent(load / cpus));
            }
            "MemTotal:" => memory.0 = kib(first),
            "MemAvailable:" => memory.1 = kib(first),
            "df" => {
                let fields: Vec<&str> = rest.split_whitespace().collect();
                if let (Some(size), Some(free)) =
                    (kib(fields.get(1).copied()), kib(fields.get(3).copied()))
                {
                    figures.volumes = vec![(folder.to_owned(), free, size)];
                }
            }
            _ => {}
        }
    }
    if let (Some(total), Some(available)) = memory {
        figures.memory = Some((total.saturating_sub(available), total));
    }
}

fn kib(field: Option<&str>) -> Option<u64> {
    field?
        .parse::<u64>()
        .ok()
        .map(|kib| kib.saturating_mul(1024))
}

/// A load of all processors is 100; the cast cannot leave 0 to 100.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=100 right before"
)]
fn percent(load: f64) -> u8 {
    (load * 100.0).clamp(0.0, 100.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_what_is_missing_stays_unknown() {
        let mut figures = HostFigures::default();
        let text = "os Linux 6.1.0-28-amd64\ncpus 4\nuptime 86400.52 1.0\nload 2.00 1.0 1.0 1/80 99\n\
            MemTotal:        8000 kB\nMemAvailable:    2000 kB\n\
            df /dev/sdb1 1000 400 600 40% /backup\n";
        take(&mut figures, text, "/backup/nightly");
        assert_eq!(figures.product, "Linux 6.1.0-28-amd64");
        assert_eq!(figures.cpu_percent, Some(50));
        assert_eq!(figures.memory, Some((6000 * 1024, 8000 * 1024)));
        assert_eq!(
            figures.volumes,
            [("/backup/nightly".to_owned(), 600 * 1024, 1000 * 1024)]
        );
        assert_eq!(figures.uptime.map(|uptime| uptime.as_secs()), Some(86400));
        let mut empty = HostFigures::default();
        take(&mut empty, "os BSD\ncpus \nuptime \nload \n", "/");
        assert_eq!(empty.memory, None);
        assert_eq!(empty.cpu_percent, None);
    }
}
