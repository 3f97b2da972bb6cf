//! `lifeboat completions` and `lifeboat man`: both are made from what [`args`](super::args) says.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::exit::{Exit, Failure};

/// Writes a shell's completion script.
pub(super) fn completions(shell: Shell, out: &mut dyn Write) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lifeboat", &mut script);
    // Whoever reads along has seen enough when the pipe is closed.
    let _ = out.write_all(&script);
}

/// Writes the manual page of the program, or of one of its commands, as roff.
pub(super) fn page(command: Option<&str>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut program = Cli::command();
    program.build();
    let about = match command {
        None => &program,
        Some(name) => program
            .find_subcommand(name)
            .ok_or_else(|| unknown(name, &program))?,
    };
    // `lifeboat run` is described in lifeboat-run(1).
    let title = about.get_bin_name().unwrap_or("lifeboat").replace(' ', "-");
    let mut roff = Vec::new();
    let rendered = clap_mangen::Man::new(about.clone())
        .title(title)
        .render(&mut roff);
    debug_assert!(rendered.is_ok(), "a Vec takes everything");
    // The generator's heading for what stands after the options says nothing to a reader.
    let roff = String::from_utf8_lossy(&roff).replace(".SH EXTRA\n", ".SH NOTES\n");
    let _ = out.write_all(roff.as_bytes());
    Ok(Exit::Clean)
}

fn unknown(name: &str, program: &clap::Command) -> Failure {
    let known: Vec<&str> = program
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| *name != "help")
        .collect();
    Failure::invalid(
        "there is no such command",
        format!("lifeboat man {}", name.escape_debug()),
        format!("there are: {}", known.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_completed_in_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            completions(shell, &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell} {command}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let mut main = Vec::new();
        assert_eq!(page(None, &mut main).unwrap(), Exit::Clean);
        let main = String::from_utf8(main).unwrap();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let mut roff = Vec::new();
            page(Some(name), &mut roff).unwrap();
            let roff = String::from_utf8(roff).unwrap();
            let title = format!(".TH lifeboat-{name} 1");
            assert!(roff.contains(&title), "{name}:\n{roff}");
            assert!(main.contains(&format!("lifeboat\\-{name}(1)")), "{name}");
        }
        assert!(page(Some("walk"), &mut Vec::new()).is_err());
    }
}
