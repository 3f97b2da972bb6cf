//! Small texts with a meaning: durations, sizes, addresses, names, restore-point stamps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::model::HostAddress;

/// The port where a host's SSH server listens unless the file says otherwise.
pub(super) const SSH_PORT: u16 = 22;

/// Parses a duration: whole numbers with the units `s m h d w`, one after another, with or without
/// spaces (`30s`, `4h`, `1h 30m`).
///
/// # Errors
///
/// What is wrong with the text, as a lower-case fragment.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{}` is not a duration", super::diagnostics::visible(text));
    let seconds = sum_of_parts(text, |unit| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        "w" => Some(604_800),
        _ => None,
    })
    .ok_or_else(wrong)?;
    // A century is more than any rule of a runbook; beyond it sums of durations would overflow.
    if seconds > 3_155_760_000 {
        return Err(format!(
            "`{}` is longer than a century",
            super::diagnostics::visible(text)
        ));
    }
    Ok(Duration::from_secs(seconds))
}

/// A duration as a runbook spells it: `10m`, `1h 30m`.
#[must_use]
pub fn spelled(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [
        (seconds / 86_400, 'd'),
        (seconds / 3_600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let said = parts.iter().filter(|(number, _)| *number > 0);
    let said: Vec<String> = said
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if said.is_empty() {
        "0s".to_owned()
    } else {
        said.join(" ")
    }
}

/// Parses a size in bytes: a whole number with `B KiB MiB GiB TiB` (powers of 1024) or `kB MB GB
/// TB` (powers of 1000).
///
/// # Errors
///
/// What is wrong with the text, as a lower-case fragment.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let parsed = sum_of_parts(text, |unit| match unit {
        "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "TB" => Some(1_000_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    });
    parsed.ok_or_else(|| {
        let text = super::diagnostics::visible(text);
        format!("`{text}` is not a size such as 512MiB or 16GiB")
    })
}

/// `1h 30m`: every number times its unit, summed. `None` where something else stands or where the
/// sum does not fit.
fn sum_of_parts(text: &str, unit_of: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let unit = unit_of(&rest[..letters])?;
        rest = rest[letters..].trim_start();
        sum = sum.checked_add(number.checked_mul(unit)?)?;
    }
    Some(sum)
}

/// A regular expression that matches somewhere in a text.
///
/// # Errors
///
/// What is wrong with the expression, as a lower-case fragment.
pub(super) fn compiled(pattern: &str) -> Result<regex_lite::Regex, String> {
    regex_lite::Regex::new(pattern).map_err(|error| format!("not a regular expression: {error}"))
}

/// A regular expression that must match a whole value.
///
/// # Errors
///
/// What is wrong with the expression, as a lower-case fragment.
pub(super) fn whole_match(pattern: &str) -> Result<regex_lite::Regex, String> {
    // The expression alone first: `a)(b` would be made whole by the group around it.
    compiled(pattern)?;
    compiled(&format!("^(?:{pattern})$"))
}

/// Parses `host`, `host:port`, `[v6]` or `[v6]:port`.
///
/// # Errors
///
/// What is wrong with the text and what to write, both as fragments.
pub(super) fn parse_address(text: &str) -> Result<HostAddress, (String, &'static str)> {
    let (host, port) = parse_address_and_port(text)?;
    let port = port.unwrap_or(SSH_PORT);
    Ok(HostAddress { host, port })
}

/// The same, with no port where the text has none.
pub(super) fn parse_address_and_port(
    text: &str,
) -> Result<(String, Option<u16>), (String, &'static str)> {
    let wrong = |why: &str| {
        format!(
            "`{}` is not an address: {why}",
            super::diagnostics::visible(text)
        )
    };
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let Some((host, port)) = inner.split_once(']') else {
            return Err((wrong("the bracket is not closed"), "write [2001:db8::1]:22"));
        };
        if host
            .split('%')
            .next()
            .unwrap_or_default()
            .parse::<Ipv6Addr>()
            .is_err()
        {
            return Err((
                wrong("no IPv6 address stands in the brackets"),
                "write [2001:db8::1]:22",
            ));
        }
        (host, port)
    } else if text.parse::<Ipv6Addr>().is_ok() || text.matches(':').count() > 1 {
        return Err((
            wrong("IPv6 stands in brackets"),
            "write [2001:db8::1] or [2001:db8::1]:22",
        ));
    } else {
        let at = text.find(':').unwrap_or(text.len());
        let (host, port) = text.split_at(at);
        check_host_name(host).map_err(|why| (wrong(why), "write a host name or an IP address"))?;
        (host, port)
    };
    let port = match port {
        "" => None,
        port => Some(
            port.strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .filter(|port| *port != 0)
                .ok_or_else(|| {
                    (
                        wrong("the port is not a number from 1 to 65535"),
                        "write host:22",
                    )
                })?,
        ),
    };
    Ok((host.to_owned(), port))
}

fn check_host_name(host: &str) -> Result<(), &'static str> {
    let label_ok = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if !host.split('.').all(label_ok) {
        return Err("a host name has letters, digits, dots and hyphens");
    }
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err("an IPv4 address has four numbers from 0 to 255");
    }
    Ok(())
}

/// Parses a guest's address with or without a prefix length: `10.20.0.11/24`.
pub(super) fn parse_guest_address(text: &str) -> Option<(IpAddr, Option<u8>)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => Some(prefix.parse().ok().filter(|prefix| *prefix <= most)?),
        None => None,
    };
    Some((address, prefix))
}

/// Whether a text is a restore point's stamp, `YYYYMMDDTHHMMSSZ`, and names a real instant.
pub(super) fn is_stamp(text: &str) -> bool {
    text.len() == 16 && jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).is_ok()
}

/// Whether a name can stand in a step id and on a command line.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 80
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// A heading as it stands in a step id: lower case, everything but letters and digits a hyphen.
#[must_use]
pub fn slug(heading: &str) -> String {
    let mut slug = String::with_capacity(heading.len());
    for c in heading.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("4h", 14_400),
            ("90d", 7_776_000),
            ("1h 30m", 5_400),
            ("1h30m", 5_400),
            (" 2 w ", 1_209_600),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["0s", "45s", "10m", "1h 30m", "2d 1s"] {
            assert_eq!(parse_duration(text).map(spelled).as_deref(), Ok(text));
        }
        for text in [
            "",
            "5",
            "m",
            "5x",
            "1.5h",
            "-1h",
            "5m-",
            "99999999999999999999s",
            "9999999999w",
            "1h  é",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("16MiB"), Ok(16 << 20));
        assert_eq!(parse_size("1 GB"), Ok(1_000_000_000));
        for text in ["16", "16mib", "", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, host, port) in [
            ("192.0.2.11", "192.0.2.11", 22),
            ("esx1.example.net:2222", "esx1.example.net", 2222),
            ("[2001:db8::1]", "2001:db8::1", 22),
            ("[fe80::1%eth0]:2222", "fe80::1%eth0", 2222),
        ] {
            let parsed = parse_address(text).unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
            assert_eq!(parse_address(&parsed.to_string()), Ok(parsed), "{text}");
        }
        for text in [
            "",
            ":22",
            "a b",
            "-x",
            "host:",
            "host:0",
            "host:65536",
            "host:22:22",
            "192.0.2.256",
            "1.2.3",
            "2001:db8::1",
            "[::1",
            "[host]",
            "[::1]x",
            "root@host",
        ] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn guests_have_addresses_with_prefixes() {
        assert_eq!(
            parse_guest_address("10.20.0.11/24"),
            Some(([10, 20, 0, 11].into(), Some(24)))
        );
        assert!(parse_guest_address("2001:db8::1/64").is_some());
        for text in ["10.20.0.11/33", "10.20.0", "10.20.0.11/", "web01"] {
            assert!(parse_guest_address(text).is_none(), "{text}");
        }
    }

    #[test]
    fn stamps_name_real_instants() {
        assert!(is_stamp("20240229T235959Z"));
        for text in [
            "20230229T000000Z",
            "20240101T240000Z",
            "20240101T000000",
            "latest",
            "+2024010T000000Z",
        ] {
            assert!(!is_stamp(text), "{text}");
        }
    }

    #[test]
    fn slugs_are_what_step_ids_hold() {
        for (heading, expected) in [
            ("Go home", "go-home"),
            ("  (2) Recover: all! ", "2-recover-all"),
            ("Überführen", "überführen"),
            ("!!!", ""),
        ] {
            assert_eq!(slug(heading), expected);
        }
    }

    #[test]
    fn patterns_match_whole_values() {
        let pattern = whole_match("a|b").unwrap();
        assert!(pattern.is_match("a") && !pattern.is_match("ax") && !pattern.is_match("xb"));
        assert!(whole_match("a)(b").is_err());
    }
}
